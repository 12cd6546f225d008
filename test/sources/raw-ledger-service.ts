/** A RawLedgerService under the test's control. */
import * as grpc from "@grpc/grpc-js";
import { type RawLedger, RawLedgerService } from "../../src/grpc/generated/raw-ledger-service.ts";
import { methodDefinition } from "../../src/grpc/service.ts";
import { tinyLedger } from "./lake-fixture.ts";

type Call = grpc.ServerWritableStream<{ startLedger: number }, RawLedger>;

/** What the service does with the `n`-th call (from 0). */
type Script = (call: ScriptedCall, n: number) => void | Promise<void>;

export class ScriptedCall {
  readonly startLedger: number;
  cancelled = false;

  constructor(readonly call: Call) {
    this.startLedger = call.request.startLedger;
    call.on("cancelled", () => {
      this.cancelled = true;
    });
  }

  /** Sends one ledger; waits while flow control holds it back. */
  async send(sequence: number, ledgerCloseMetaXdr: Uint8Array = tinyLedger(sequence)): Promise<void> {
    if (this.call.write({ sequence, ledgerCloseMetaXdr })) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.call.off("drain", done).off("cancelled", done);
        resolve();
      };
      this.call.on("drain", done).on("cancelled", done);
    });
  }

  /** Sends bytes in place of an encoded RawLedger. */
  sendBytes(message: Uint8Array): void {
    this.call.write(message as unknown as RawLedger); // the service below sends bytes as they are
  }

  async sendAll(first: number, last: number): Promise<void> {
    for (let sequence = first; sequence <= last && !this.cancelled; sequence++) await this.send(sequence);
  }

  fail(code: grpc.status, details = "on purpose"): void {
    this.call.emit("error", { code, details });
  }

  end(): void {
    this.call.end();
  }

  async cancellation(): Promise<void> {
    while (!this.cancelled) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export class RawLedgerServer {
  readonly calls: ScriptedCall[] = [];
  #server: grpc.Server | undefined;
  address = "";

  static async start(script: Script, port = 0): Promise<RawLedgerServer> {
    const service = new RawLedgerServer();
    const server = new grpc.Server({ "grpc.max_send_message_length": -1 });
    const definition = methodDefinition(RawLedgerService, RawLedgerService.methods.streamRawLedgers);
    const { responseSerialize } = definition;
    definition.responseSerialize = (message: RawLedger | Buffer) =>
      Buffer.isBuffer(message) ? message : responseSerialize(message);
    server.addService(
      { streamRawLedgers: definition },
      {
        streamRawLedgers: (call: Call) => {
          const scripted = new ScriptedCall(call);
          service.calls.push(scripted);
          void script(scripted, service.calls.length - 1);
        },
      },
    );
    const bound = await new Promise<number>((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, found) =>
        error === null ? resolve(found) : reject(error),
      ),
    );
    service.#server = server;
    service.address = `127.0.0.1:${bound}`;
    return service;
  }

  /** Ends at once: open calls break off. */
  [Symbol.dispose](): void {
    this.#server?.forceShutdown();
  }
}
