/** Spans of control calls. */
import type * as grpc from "@grpc/grpc-js";
import { shortened } from "../base/text.ts";
import type { Handlers, ServiceType } from "../grpc/service.ts";
import { rpcAttributes } from "../tracing/rpc-attributes.ts";
import { traceContextOf } from "../tracing/trace-context.ts";
import type { Traces } from "../tracing/traces.ts";

const SESSION_ID_LENGTH_MAX = 64; // ids are UUIDs of 36 characters

type UnaryHandler = (request: object, call: { metadata: grpc.Metadata; getPeer(): string }) => unknown;

/** The handlers, each of which answers in a span of its own; streams have none. @param traces absent: as they are */
export function traced<S extends ServiceType>(service: S, handlers: Handlers<S>, traces?: Traces): Handlers<S> {
  if (traces === undefined) return handlers;
  const wrapped = Object.entries(service.methods).map(([key, { name, kind }]) => {
    const handler = handlers[key as keyof S["methods"]] as UnaryHandler;
    if (kind !== "unary") return [key, handler];
    const inSpan: UnaryHandler = (request, call) => {
      const { sessionId = "" } = request as { sessionId?: string };
      const attributes = {
        ...rpcAttributes(service.typeName, name),
        "client.address": call.getPeer(),
        ...(sessionId === "" ? {} : { "contract_data.session": shortened(sessionId, SESSION_ID_LENGTH_MAX) }),
      };
      const caller = traceContextOf((header) => call.metadata.get(header)[0]?.toString());
      return traces.call({ name: `${service.typeName}/${name}`, caller, attributes }, async (set) => {
        const response = (await handler(request, call)) as { sessionId?: string };
        if (sessionId === "" && response.sessionId) set({ "contract_data.session": response.sessionId });
        return response;
      });
    };
    return [key, inSpan];
  });
  return Object.fromEntries(wrapped) as Handlers<S>;
}
