import { Server } from "@grpc/grpc-js";
import { type GrpcListener, grpcServerOptions, type ListenOptions, listenGrpc } from "../../src/grpc/listen.ts";
import { type FixtureCounters, flightFixture } from "../flight/flight-fixture.ts";

/** The Flight fixture on a free port of the loopback interface. */
export async function startFixture(
  options: Partial<ListenOptions> = {},
): Promise<{ address: string; listener: GrpcListener; counters: FixtureCounters }> {
  const server = new Server(grpcServerOptions());
  const { definition, implementation, counters } = flightFixture();
  server.addService(definition, implementation);
  const listener = await listenGrpc(server, { host: "127.0.0.1", port: 0, ...options });
  return { address: `127.0.0.1:${listener.port}`, listener, counters };
}
