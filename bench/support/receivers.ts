/** Ways to receive ledgers into nothing. As a program, `bun receivers.ts NAME HOST:PORT SECONDS`, it prints a Sample. */
import * as grpc from "@grpc/grpc-js";
import { parseAddress } from "../../src/grpc/address.ts";
import { RawLedgerService } from "../../src/grpc/generated/raw-ledger-service.ts";
import { methodDefinition } from "../../src/grpc/service.ts";
import { ClientStream } from "../../src/http2/client/client-stream.ts";
import { holdClientStreams } from "../../src/http2/http2-client-hold.ts";
import { RawLedgerStream } from "../../src/sources/raw-ledger/raw-ledger-stream.ts";

const WARM_UP_MS = 1500;
const WINDOW_BYTES = 4 << 20;

/** What one turn has taken. */
export interface Sample {
  gigabytes: number;
  seconds: number;
  cpuSeconds: number;
  residentMb: number;
}

const { streamRawLedgers } = RawLedgerService.methods;
const { path, requestSerialize } = methodDefinition(RawLedgerService, streamRawLedgers);

async function own(address: string, count: (bytes: number) => void): Promise<void> {
  const stream = new RawLedgerStream(address, 1);
  for (;;) {
    const event = await stream.next(10_000);
    if (event.kind !== "ledger") throw new Error(event.kind);
    count(event.ledger.ledgerCloseMetaXdr.length);
    event.release();
  }
}

async function grpcJs(address: string, count: (bytes: number) => void): Promise<void> {
  holdClientStreams();
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
    "grpc.max_receive_message_length": 64 << 20,
    "grpc-node.flow_control_window": WINDOW_BYTES,
  });
  const call = client.makeServerStreamRequest(path, requestSerialize, (bytes) => bytes, { startLedger: 1 });
  for await (const bytes of call as AsyncIterable<Buffer>) {
    count(streamRawLedgers.response.decode(bytes).ledgerCloseMetaXdr.length);
  }
}

/** Grants what comes, and looks at nothing. */
async function bare(address: string, count: (bytes: number) => void): Promise<void> {
  const { host, port } = parseAddress(address);
  let granted = 0;
  let grant = () => {};
  await Bun.connect({
    hostname: host,
    port,
    socket: {
      open(socket) {
        const nobody = { headers: () => {}, data: () => {}, ended: () => {}, reset: () => {} };
        const headers = [
          [":method", "POST"],
          [":scheme", "http"],
          [":path", path],
          [":authority", address],
          ["content-type", "application/grpc"],
          ["te", "trailers"],
        ] as const;
        const body = Buffer.from([0, 0, 0, 0, 2, 8, 1]);
        const stream = new ClientStream(
          { ...nobody, write: (bytes) => socket.write(bytes) },
          headers,
          body,
          WINDOW_BYTES,
        );
        grant = () => stream.grant(WINDOW_BYTES / 4);
      },
      data(_socket, chunk) {
        count(chunk.length);
        granted += chunk.length;
        if (granted < WINDOW_BYTES / 4) return;
        granted -= WINDOW_BYTES / 4;
        grant();
      },
    },
  });
  await new Promise(() => {});
}

/** By name; each runs for ever. */
export const RECEIVERS: Readonly<Record<string, (address: string, count: (bytes: number) => void) => Promise<void>>> = {
  ours: own,
  "grpc-js": grpcJs,
  socket: bare,
};

if (import.meta.main) {
  const [name, address, seconds] = process.argv.slice(2) as [string, string, string];
  let bytes = 0;
  void RECEIVERS[name]!(address, (more) => {
    bytes += more;
  });
  await Bun.sleep(WARM_UP_MS);
  const [cpu, before, begun] = [process.cpuUsage(), bytes, performance.now()];
  await Bun.sleep(Number(seconds) * 1000);
  const { user, system } = process.cpuUsage(cpu);
  const sample: Sample = {
    gigabytes: (bytes - before) / 1e9,
    seconds: (performance.now() - begun) / 1000,
    cpuSeconds: (user + system) / 1e6,
    residentMb: process.memoryUsage.rss() / 1e6,
  };
  console.log(JSON.stringify(sample));
  process.exit(0);
}
