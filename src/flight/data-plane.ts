/**
 * The data-plane thread: takes finished batches off the workers' rings, keeps the streams, serves Flight. It shares
 * no event loop with the control plane, so a status call answers at once whatever a DoGet does.
 */
import type { MessagePort } from "node:worker_threads";
import * as grpc from "@grpc/grpc-js";
import { BatchEncoder } from "../columns/batch-encoder.ts";
import { encapsulate, schemaMessage } from "../columns/ipc.ts";
import { CodedError } from "../error.ts";
import { grpcServerOptions, listenGrpc } from "../grpc/listen.ts";
import type { DataPlaneData, FromDataPlane, ToDataPlane } from "../pipeline/data-plane-messages.ts";
import { Hub } from "../pipeline/hub.ts";
import { Bell } from "../workers/bell.ts";
import { addFlightService, type SchemaForms } from "./flight-service.ts";

const REQUEST_BYTES_MAX = 4 << 20; // descriptors, tickets and actions are small; gRPC's own default
const SLOW_CHECKS_PER_GRACE = 4; // a slow client is ended at most a quarter of the grace late
const SLOW_CHECK_MS_MIN = 50;

/** Runs until told to close. */
export async function runDataPlane(data: DataPlaneData, port: MessagePort): Promise<void> {
  const post = (message: FromDataPlane) => port.postMessage(message);
  const hub = new Hub(data.workerCount, new Bell(data.bell, 0), {
    ended: (stream, error) => post({ type: "ended", stream, error: error?.toRecord() }),
  });
  const server = new grpc.Server(grpcServerOptions({ "grpc.max_receive_message_length": REQUEST_BYTES_MAX }));
  const schemas = new Map<string, SchemaForms>();
  addFlightService(server, hub, {
    schemaOf: (networkPassphrase) => {
      let forms = schemas.get(networkPassphrase);
      if (forms === undefined) {
        const { schema } = new BatchEncoder({ schemaVersion: 1, networkPassphrase });
        const header = schemaMessage(schema);
        forms = { header, encapsulated: encapsulate(header) };
        schemas.set(networkPassphrase, forms);
      }
      return forms;
    },
    slowClientGraceMs: data.slowClientGraceMs,
    nowMs: () => performance.now(),
    log: (message, fields) => console.error(JSON.stringify({ level: "error", message, ...fields })),
  });

  let listener: Awaited<ReturnType<typeof listenGrpc>>;
  try {
    listener = await listenGrpc(server, {
      host: data.host,
      port: data.port,
      setting: "FLIGHT_ADDRESS",
      connectionsMax: data.connectionsMax,
    });
  } catch (thrown) {
    post({ type: "failedToListen", error: CodedError.from(thrown).toRecord() });
    return;
  }
  const slowCheck = setInterval(
    () => endSlowReaders(hub, data.slowClientGraceMs),
    Math.max(SLOW_CHECK_MS_MIN, data.slowClientGraceMs / SLOW_CHECKS_PER_GRACE),
  );
  port.on("message", (message: ToDataPlane) => {
    switch (message.type) {
      case "ring":
        return hub.ring(message.index, message.memory);
      case "open":
        return hub.open(message.opening);
      case "end":
        return hub.stream(message.stream)?.sourceEnded(message.spans, message.error);
      case "fail":
        return hub.stream(message.stream)?.fail(CodedError.fromRecord(message.error));
      case "forget":
        return hub.forget(message.stream);
      case "close":
        void close(message.graceMs);
    }
  });
  async function close(graceMs: number): Promise<void> {
    clearInterval(slowCheck);
    await listener.close(graceMs);
    hub.close();
    post({ type: "closed" });
  }
  post({ type: "listening", port: listener.port });
  await hub.run();
}

/** A client that holds everybody back for too long is ended with its cursor; the others go on. */
function endSlowReaders(hub: Hub, graceMs: number): void {
  for (const stream of hub.all()) {
    for (const reader of stream.log.slowReaders(performance.now(), graceMs)) {
      reader.end(
        new CodedError(
          "RESOURCE_EXHAUSTED",
          "SLOW_CLIENT",
          `this client took no batch for over ${graceMs} ms (SLOW_CLIENT_GRACE) while the stream was full: resume from the cursor in the trailers`,
        ),
      );
    }
  }
}
