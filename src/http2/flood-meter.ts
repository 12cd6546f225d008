/**
 * Counts the frames of one connection that make a server work or answer and bring nothing: their floods are cheap for a
 * client and dear for a server (CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316, CVE-2025-8671).
 *
 * Each kind has a bucket: so many frames at once, and so many a second from then on. What clients send in answer to DATA,
 * window updates and the pings by which they measure the way, is given back with each DATA frame that they are sent. A
 * bucket is emptied only when it is full (that of resets also when its state is asked for), so that frames cost an
 * addition; after a rest it may fill twice.
 */
import { CodedError } from "../error.ts";
import { FrameFlag, FrameType, Http2ErrorCode } from "./http2-frames.ts";

interface Limit {
  readonly atOnce: number;
  readonly aSecond: number;
  readonly name: string;
}

/** What one connection may send of each kind of frame. */
export const FLOOD_LIMITS = {
  /** From either side, but for those with which a server ends what is done: 256 calls can be cancelled twice over. */
  resets: { atOnce: 512, aSecond: 100, name: "resets of streams" },
  /** Whoever calls the wrong server, or by another protocol, does not go on. */
  unserved: { atOnce: 200, aSecond: 20, name: "calls that nobody serves" },
  /** Clients ping every few seconds, or once for each DATA frame that they get. */
  pings: { atOnce: 1000, aSecond: 100, name: "PING frames" },
  /** A client that tunes its window sends a dozen in its life. */
  settings: { atOnce: 200, aSecond: 20, name: "SETTINGS frames" },
  /** A connection that stands still is pinged 250 times a second at most (http2-wakeup-guard.ts). */
  answers: { atOnce: 2000, aSecond: 1000, name: "acknowledgements" },
  /** No client library sends any, but to end a stream, which is not counted. */
  empty: { atOnce: 200, aSecond: 20, name: "DATA frames without data" },
  /** One or two for each call, and for each DATA frame. */
  windows: { atOnce: 4096, aSecond: 1000, name: "WINDOW_UPDATE frames" },
  /** PRIORITY, unknown types, and headers on streams that there have been. Clients of gRPC send hardly any. */
  others: { atOnce: 1000, aSecond: 20, name: "frames without use" },
} as const satisfies Record<string, Limit>;
type Kind = keyof typeof FLOOD_LIMITS;

/** Resets, beside those that a second allows, from which on a client resets one call after the other. */
const RESETS_MANY = 32; // more calls than most clients have under way

/** CONTINUATION frames of one header block: four carry the 64 KiB that the runtime takes of headers. */
export const CONTINUATIONS_MAX = 16;

const WINDOWS_A_DATA_FRAME = 4; // for stream and connection, twice

/** A bucket: frames in it, and when it was last emptied by what time allows. */
interface Bucket {
  fill: number;
  sinceMs: number;
}

/** The meter of one connection. */
export class FloodMeter {
  readonly #buckets: Record<Kind, Bucket>;
  readonly #nowMs: () => number;
  #asked = 0;
  #continuations = 0;
  #leaving = false;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    const sinceMs = nowMs();
    const buckets = Object.keys(FLOOD_LIMITS).map((kind) => [kind, { fill: 0, sinceMs }]);
    this.#buckets = Object.fromEntries(buckets) as Record<Kind, Bucket>;
  }

  /** Frames so far that make a server say or keep something: SETTINGS, PING and HEADERS. */
  get asked(): number {
    return this.#asked;
  }

  /** Whether one call after the other is reset just now. */
  get isResetting(): boolean {
    const { resets } = this.#buckets;
    if (resets.fill <= RESETS_MANY) return false;
    const nowMs = this.#nowMs();
    drain(resets, FLOOD_LIMITS.resets.aSecond, nowMs);
    return resets.fill > RESETS_MANY;
  }

  /** Whether the client has said by GOAWAY that it leaves. */
  get leaving(): boolean {
    return this.#leaving;
  }

  /**
   * A frame of the client, by its header.
   * @param opens whether its stream is newer than all others
   * @throws CodedError RESOURCE_EXHAUSTED / HTTP2_FLOOD
   */
  received(type: number, flags: number, length: number, opens: boolean): void {
    const isAck = (flags & FrameFlag.ACK) !== 0;
    switch (type) {
      case FrameType.DATA:
        if (length === 0 && (flags & FrameFlag.END_STREAM) === 0) this.#count("empty");
        return;
      case FrameType.HEADERS:
        this.#asked++;
        this.#continuations = 0;
        if (!opens) this.#count("others");
        return;
      case FrameType.CONTINUATION:
        if (++this.#continuations > CONTINUATIONS_MAX) {
          throw flood(`one header block has over ${CONTINUATIONS_MAX} CONTINUATION frames`);
        }
        return;
      case FrameType.RST_STREAM:
        this.#count("resets");
        return;
      case FrameType.PING:
        if (!isAck) this.#asked++;
        this.#count(isAck ? "answers" : "pings");
        return;
      case FrameType.SETTINGS:
        if (!isAck) this.#asked++;
        this.#count(isAck ? "answers" : "settings");
        return;
      case FrameType.WINDOW_UPDATE:
        this.#count("windows");
        return;
      case FrameType.GOAWAY:
        this.#leaving = true;
        this.#count("others");
        return;
      default:
        this.#count("others");
    }
  }

  /**
   * The server resets a stream, which a client can bring about as well (CVE-2025-8671).
   * @throws CodedError RESOURCE_EXHAUSTED / HTTP2_FLOOD
   */
  reset(code: number): void {
    if (code !== Http2ErrorCode.NO_ERROR && code !== Http2ErrorCode.CANCEL) this.#count("resets");
  }

  /**
   * A call is refused because no method serves it.
   * @throws CodedError RESOURCE_EXHAUSTED / HTTP2_FLOOD
   */
  unserved(): void {
    this.#count("unserved");
  }

  /** So many DATA frames have gone to the client. */
  sent(frames: number): void {
    const { windows, pings } = this.#buckets;
    windows.fill = Math.max(0, windows.fill - frames * WINDOWS_A_DATA_FRAME);
    pings.fill = Math.max(0, pings.fill - frames);
  }

  #count(kind: Kind): void {
    const bucket = this.#buckets[kind];
    const { atOnce, aSecond, name } = FLOOD_LIMITS[kind];
    if (++bucket.fill <= atOnce) return;
    drain(bucket, aSecond, this.#nowMs());
    if (bucket.fill > atOnce) throw flood(`${name} are over ${atOnce} at once and ${aSecond} a second`);
  }
}

/** Takes out what time allows, but for the newest frame. */
function drain(bucket: Bucket, aSecond: number, nowMs: number): void {
  bucket.fill = Math.max(1, bucket.fill - ((nowMs - bucket.sinceMs) / 1000) * aSecond);
  bucket.sinceMs = nowMs;
}

function flood(what: string): CodedError {
  return new CodedError("RESOURCE_EXHAUSTED", "HTTP2_FLOOD", `${what}: is it a flood?`);
}
