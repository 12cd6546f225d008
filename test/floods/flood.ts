/** Floods of HTTP/2, from raw sockets that read what they are sent: each kind asks a server to work or to keep something for nothing. */
import net from "node:net";
import tls from "node:tls";
import {
  ACK,
  CLIENT_PREFACE,
  continuation,
  data,
  frame,
  headers,
  reset,
  settings,
  windowUpdate,
} from "../http2/frames.ts";
import { opening, start } from "../http2/raw-call.ts";

const FRAMES_A_WRITE = 1000;
const GOAWAY = 7; // RFC 9113 section 6.8
const PATH = "/grpc.health.v1.Health/Check"; // both listeners have it, and it answers with data

/** What one connection of a flood says: first of all, and again and again. */
interface Kind {
  /** Behind the preface; an empty SETTINGS frame where it is absent. */
  first?: () => Buffer;
  /** The frames of one write. @param round which write of the connection it is, from 0 */
  again: (round: number) => Buffer;
}

const repeated = (bytes: Buffer, times = FRAMES_A_WRITE) => Buffer.concat(Array.from({ length: times }, () => bytes));
const streams = (round: number, count: number, of: (stream: number) => Buffer) =>
  Buffer.concat(Array.from({ length: count }, (_, index) => of(2 * (round * count + index) + 1)));
const call = (stream: number) => start(stream, PATH, Buffer.alloc(0));
const headersOf = (stream: number) => opening(stream, PATH);
const always = (bytes: Buffer): Kind["again"] => {
  const write = repeated(bytes);
  return () => write;
};

/** Each kind of flood by its name. */
export const FLOODS: Readonly<Record<string, Kind>> = {
  resets: { again: (round) => streams(round, 500, (stream) => Buffer.concat([call(stream), reset(stream)])) },
  pings: { again: always(frame(6, 0, 0, Buffer.alloc(8))) },
  "ping answers": { again: always(frame(6, 1, 0, Buffer.alloc(8))) },
  settings: { again: always(settings()) },
  "settings answers": { again: always(ACK) },
  "empty data": { first: () => Buffer.concat([settings(), headersOf(1)]), again: always(data(1, 0)) },
  "empty data of no stream": { again: always(data(1, 0)) },
  "empty continuations": { first: () => Buffer.concat([settings(), headers(1, 0, "")]), again: always(frame(9, 0, 1)) },
  continuations: { first: () => Buffer.concat([settings(), headers(1, 0, "")]), again: always(continuation(1, 0)) },
  "window updates": { again: always(windowUpdate(0, 1)) },
  "window updates of nothing": {
    again: (round) => streams(round, 500, (stream) => Buffer.concat([headersOf(stream), windowUpdate(stream, 0)])),
  },
  priorities: { again: always(frame(2, 0, 1, Buffer.alloc(5))) },
  "unknown frames": { again: always(frame(0x42, 0, 0)) },
  "streams that send nothing": { again: (round) => streams(round, 500, headersOf) },
  "windows that never open": { first: () => settings([4, 0]), again: (round) => streams(round, 500, call) },
  "calls that nobody serves": {
    again: (round) => streams(round, 500, (stream) => start(stream, "/no.Service/None", Buffer.alloc(0))),
  },
};

/** Where a flood goes, and for how long. */
interface FloodOptions {
  port: number;
  /** One of FLOODS. */
  kind: string;
  ms: number;
  /** Ends it sooner, once the server has closed so many of its connections. */
  closedMax?: number;
  /** At once; each that is closed is made again. Default 1. */
  connections?: number;
  /** By TLS, trusting that authority. */
  ca?: string;
  /** Where it comes from; loopback has many addresses. */
  localAddress?: string;
  /** Each connection comes from another address, so that none is kept out for what others did. */
  everywhere?: boolean;
}

/** What became of a flood. */
interface FloodResult {
  connections: number;
  /** Connections that the server has closed. */
  closed: number;
  /** GOAWAY frames by error code, and what the last one said. */
  goaways: Record<number, number>;
  lastWords: string;
}

/** Floods for a time. */
export async function flood(options: FloodOptions): Promise<FloodResult> {
  const result: FloodResult = { connections: 0, closed: 0, goaways: {}, lastWords: "" };
  const { connections = 1, closedMax = Number.POSITIVE_INFINITY } = options;
  const untilMs = performance.now() + options.ms;
  const goesOn = () => performance.now() < untilMs && result.closed < closedMax;
  const one = async () => {
    while (goesOn()) await floodOnce(options, result, untilMs);
  };
  await Promise.all(Array.from({ length: connections }, one));
  return result;
}

/** One connection, to its end. */
async function floodOnce(options: FloodOptions, result: FloodResult, untilMs: number): Promise<void> {
  const { first, again } = FLOODS[options.kind]!;
  const { port, ca } = options;
  const localAddress = options.everywhere ? addressOf(result.connections) : options.localAddress;
  const to = { port, host: "127.0.0.1", localAddress };
  const socket = ca === undefined ? net.connect(to) : tls.connect({ ...to, ca, ALPNProtocols: ["h2"] });
  result.connections++;
  let over = false;
  let wake = () => {};
  for (const event of ["error", "close"]) {
    socket.on(event, () => {
      over = true;
      wake();
    });
  }
  socket.on("drain", () => wake());
  const reader = new GoawayReader(result);
  socket.on("data", (bytes: Buffer) => reader.read(bytes));
  socket.write(Buffer.concat([CLIENT_PREFACE, first?.() ?? settings()]));
  for (let round = 0; !over && performance.now() < untilMs; round++) {
    const room = socket.write(again(round));
    await new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, room ? 0 : Math.max(0, untilMs - performance.now()));
    });
  }
  if (over) result.closed++;
  socket.destroy();
}

/** Of loopback, another one for each number. */
function addressOf(number: number): string {
  const host = number + 0x30001;
  return [127, (host >> 16) & 255, (host >> 8) & 255, host & 255].join(".");
}

/** Walks over the frames that come, and takes note of GOAWAY. */
class GoawayReader {
  #rest: Buffer = Buffer.alloc(0); // of a frame that is not whole

  constructor(readonly result: FloodResult) {}

  read(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    while (at + 9 <= all.length) {
      const end = at + 9 + all.readUIntBE(at, 3);
      if (end > all.length) break;
      if (all[at + 3] === GOAWAY) {
        const code = all.readUInt32BE(at + 13);
        this.result.goaways[code] = (this.result.goaways[code] ?? 0) + 1;
        this.result.lastWords = all.toString("utf8", at + 17, end);
      }
      at = end;
    }
    this.#rest = all.subarray(at);
  }
}

/** As a program of its own: the options as JSON in, the result as JSON out. */
if (import.meta.main) console.log(JSON.stringify(await flood(JSON.parse(process.argv[2]!))));
