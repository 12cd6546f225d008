/** Attributes of a span for a gRPC call, by OpenTelemetry's names. */
export function rpcAttributes(service: string, method: string): Record<string, string> {
  return { "rpc.system": "grpc", "rpc.service": service, "rpc.method": method };
}
