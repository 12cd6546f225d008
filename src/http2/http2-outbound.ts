/**
 * What goes to one client: the frames that node:http2 writes, and between them the DATA frames of lanes
 * (http2-lane.ts), which go to the socket without passing through node:http2.
 *
 * Both spend the same windows, and node:http2 knows nothing of what lanes spend. So the connection's window is kept
 * here, and node:http2 is only ever told of a part of it (node-window.ts):
 *
 *     connection    what the client has granted, less every DATA byte sent: what may be sent in truth
 *     believed      what node:http2 thinks it may send: topped up to NODE_WINDOW_BYTES while the connection has it
 *
 * Lanes may have spent what node:http2 believes in. A DATA frame of its own for which the window does not suffice is
 * held here, and with it, in their order, all later frames of streams (headers too: their compression depends on their
 * order), until the client grants more. Frames of the connection itself (SETTINGS, PING, WINDOW_UPDATE, GOAWAY) pass, and
 * so does a RST_STREAM, which drops what is held of its stream, as the client's does. What is held is bounded by
 * NODE_WINDOW_BYTES and, for headers, by HELD_FRAMES_MAX.
 *
 * A stream's window counts for its lane alone: node:http2 sends no DATA on a stream that has one. DATA on a stream that
 * is over (reset by the client or by its lane) goes nowhere.
 */
import {
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameType,
  frameHeader,
  goaway,
  INITIAL_WINDOW_BYTES_DEFAULT,
  rstStream,
  WINDOW_BYTES_MAX,
} from "./http2-frames.ts";
import { LANE_CHUNK_BYTES_MAX, Lane } from "./http2-lane.ts";
import { InitialWindow } from "./initial-window.ts";
import { NodeWindow } from "./node-window.ts";
import {
  endsStream,
  errorCodeIn,
  type Fate,
  HELD_FRAMES_MAX,
  type HeldFrame,
  type OutboundPeers,
  type StreamState,
  tooManyHeld,
  withLastStream,
} from "./outbound-parts.ts";
import type { WindowListener } from "./window-listener.ts";

/** Shared by all connections: what is in it has gone to the socket before anybody else uses it. */
let chunk: Buffer | undefined;

/** Orders all frames that go to one client, under its windows. */
export class OutboundFrames implements WindowListener {
  readonly #peers: OutboundPeers;
  readonly #streams = new Map<number, StreamState>();
  readonly #initialWindow = new InitialWindow();
  #connection = INITIAL_WINDOW_BYTES_DEFAULT;
  readonly #node: NodeWindow;
  #lastStream = 0; // the highest that the client has opened
  goawaySent = false;
  #busy: Lane[] = []; // with something to send; the first is next
  #pumping = false;
  #held: HeldFrame[] = [];
  #heldBytes = 0; // of DATA in it

  // Position in the bytes of node:http2.
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerFill = 0;
  #payloadLeft = 0;
  #fate: Fate = "pass"; // of the frame at hand
  #holding: HeldFrame | undefined; // where it goes if it is held
  #holdingFill = 0;
  #type = 0; // of the frame at hand
  #flags = 0;
  #stream = 0;
  #inBlock = false; // between HEADERS and the CONTINUATION that ends them no other frame may stand

  constructor(peers: OutboundPeers) {
    this.#peers = peers;
    this.#node = new NodeWindow(peers, () => this.#connection - this.#heldBytes);
  }

  /** True when nothing waits here. */
  get flushed(): boolean {
    return this.#busy.length === 0 && this.#held.length === 0;
  }

  // ── what the client says ────────────────────────────────────────────────────────────────────────────────────────

  opened(stream: number): void {
    this.#lastStream = Math.max(this.#lastStream, stream);
    this.#streams.set(stream, { window: this.#initialWindow.bytes, answered: false });
  }

  credited(stream: number, bytes: number): boolean {
    if (stream === 0) {
      this.#connection += bytes;
      if (this.#connection > WINDOW_BYTES_MAX) return false;
      this.#node.topUpSoon();
    } else {
      const state = this.#streams.get(stream);
      if (state === undefined) return true;
      state.window += bytes;
      if (state.window > WINDOW_BYTES_MAX) return false;
    }
    this.pump();
    return true;
  }

  settings(windowChange: number): void {
    this.#changeWindows(this.#initialWindow.ask(windowChange));
    this.pump();
  }

  #changeWindows(bytes: number): void {
    for (const state of this.#streams.values()) state.window += bytes;
  }

  forget(stream: number): void {
    if (!this.#forget(stream) || this.#held.length === 0) return;
    this.#dropHeld(stream);
    this.pump(); // what it held may have stood before others
  }

  #forget(stream: number): boolean {
    const state = this.#streams.get(stream);
    if (state === undefined) return false;
    this.#streams.delete(stream);
    this.#close(state);
    return true;
  }

  lastDirect = 0; // the highest stream of a direct call

  isOpen(stream: number): boolean {
    return this.#streams.has(stream);
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** Takes so many bytes of a stream's window, for DATA that is about to be inserted; false where it is too small. */
  spend(stream: number, bytes: number): boolean {
    const state = this.#streams.get(stream);
    if (state === undefined || state.window < bytes) return false;
    state.window -= bytes;
    this.#heldBytes += bytes;
    this.#peers.sent(1);
    return true;
  }

  /** Frames of streams go between those of node:http2. */
  insert(...frames: HeldFrame[]): void {
    this.#held.push(...frames);
    if (this.#held.length > HELD_FRAMES_MAX) this.#peers.fail(tooManyHeld(this.#held.length));
    this.pump();
  }

  /** WINDOW_UPDATE frames, which wait for no window. */
  update(frames: Buffer): void {
    if (this.#mayInterpose) this.#peers.write(frames);
    else this.#held.unshift({ type: FrameType.WINDOW_UPDATE, flags: 0, stream: 0, bytes: frames });
  }

  // ── lanes ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The lane of a stream whose response headers node:http2 has sent or will send; undefined when the stream is over. */
  openLane(stream: number): Lane | undefined {
    const state = this.#streams.get(stream);
    if (state === undefined) return undefined;
    state.lane ??= new Lane(
      stream,
      (lane) => {
        this.#busy.push(lane);
        this.pump();
      },
      (code) => this.reset(stream, code),
    );
    return state.lane;
  }

  hasLane(stream: number): boolean {
    return this.#streams.get(stream)?.lane !== undefined;
  }

  /** Ends a stream by RST_STREAM, in front of everything that is not sent yet. node:http2 on Bun only half closes it. */
  reset(stream: number, code: number): void {
    if (!this.#forget(stream)) return;
    this.#dropHeld(stream);
    const frame = { type: FrameType.RST_STREAM, flags: 0, stream, bytes: rstStream(stream, code) };
    if (this.#held.some((held) => held.stream === stream)) this.#held.push(frame);
    else this.#held.unshift(frame);
    this.pump();
    this.#peers.reset(code);
  }

  /**
   * The server ends the connection while the client may still be there: nothing more is sent for calls that have no end
   * yet, and the client is told by GOAWAY with that error code (RFC 9113 section 7) and sentence. Calls whose end waits
   * here for a window keep what waits. Nothing is said where node:http2 has stopped inside a frame.
   */
  giveUp(code: number, why: string): void {
    const ending = new Set(this.#held.filter(({ type, flags }) => endsStream(type, flags)).map(({ stream }) => stream));
    const open = [...this.#streams.keys()].filter((stream) => !ending.has(stream));
    for (const stream of open) {
      this.#forget(stream);
      this.#dropHeld(stream);
    }
    if ((open.length === 0 && this.goawaySent) || !this.#mayInterpose) return;
    this.goawaySent = true;
    this.#peers.write(goaway(this.#lastStream, code, why));
  }

  /** The connection is gone. */
  destroy(): void {
    for (const state of this.#streams.values()) this.#close(state);
    this.#streams.clear();
    this.#busy = [];
    this.#held = [];
  }

  #close({ lane }: StreamState): void {
    if (lane === undefined) return;
    const at = this.#busy.indexOf(lane);
    if (at >= 0) this.#busy.splice(at, 1);
    lane.close();
  }

  /** Sends what may be sent: held frames first, then the lanes, each a chunk in its turn. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      this.#releaseHeld();
      for (let idleLanes = 0; idleLanes < this.#busy.length && this.#mayInterpose && this.#peers.idle; ) {
        const lane = this.#busy.shift()!;
        const sent = this.#send(lane);
        if (lane.bytesLeft > 0) this.#busy.push(lane);
        idleLanes = sent ? 0 : idleLanes + 1;
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** One chunk, as far as the windows allow. */
  #send(lane: Lane): boolean {
    const state = this.#streams.get(lane.stream);
    if (state === undefined || !state.answered) return false;
    const bytes = Math.min(lane.bytesLeft, state.window, this.#connection - this.#heldBytes, LANE_CHUNK_BYTES_MAX);
    if (bytes <= 0) return false;
    chunk ??= Lane.createChunk();
    state.window -= bytes;
    this.#connection -= bytes;
    const framed = lane.take(bytes, chunk);
    this.#peers.write(chunk.subarray(0, framed));
    this.#peers.sent((framed - bytes) / FRAME_HEADER_BYTES);
    lane.taken();
    return true;
  }

  /** Whether what node:http2 has written ends between two frames, where another one may stand. */
  get #mayInterpose(): boolean {
    return this.#payloadLeft === 0 && this.#headerFill === 0 && !this.#inBlock && this.#holding === undefined;
  }

  // ── what node:http2 says ────────────────────────────────────────────────────────────────────────────────────────

  /** Takes bytes from node:http2, split anywhere. */
  fromNode(bytes: Uint8Array): void {
    const end = bytes.length;
    let at = 0;
    let from = 0; // written, held or kept up to here
    while (at < end) {
      if (this.#payloadLeft > 0) {
        const count = Math.min(this.#payloadLeft, end - at);
        if (this.#holding !== undefined) {
          this.#holding.bytes.set(bytes.subarray(at, at + count), this.#holdingFill);
          this.#holdingFill += count;
        }
        at += count;
        if (this.#fate !== "pass") from = at;
        this.#payloadLeft -= count;
      } else {
        // A frame begins; its header may come in pieces, and goes on whole.
        const inPieces = this.#headerFill > 0 || end - at < FRAME_HEADER_BYTES;
        if (inPieces) {
          if (from < at) this.#peers.write(bytes.subarray(from, at));
          while (at < end && this.#headerFill < FRAME_HEADER_BYTES) this.#header[this.#headerFill++] = bytes[at++]!;
          from = at;
          if (this.#headerFill < FRAME_HEADER_BYTES) return;
          this.#headerFill = 0;
        } else at += FRAME_HEADER_BYTES;
        const header = inPieces ? this.#header : bytes.subarray(at - FRAME_HEADER_BYTES, at);
        this.#start(header);
        if (this.#type === FrameType.RST_STREAM) this.#peers.reset(errorCodeIn(bytes, at));
        if (this.#fate !== "pass") {
          if (!inPieces && from < at - FRAME_HEADER_BYTES)
            this.#peers.write(bytes.subarray(from, at - FRAME_HEADER_BYTES));
          from = at;
        } else if (inPieces) this.#peers.write(new Uint8Array(header));
      }
      if (this.#payloadLeft > 0) continue;
      if (this.#holding !== undefined) {
        this.#hold(this.#holding);
        this.#holding = undefined;
      } else if (this.#fate === "pass") {
        if (endsStream(this.#type, this.#flags)) {
          if (from < at) this.#peers.write(bytes.subarray(from, at));
          from = at;
        }
        this.#passed(this.#type, this.#flags, this.#stream);
      }
    }
    if (from < end) this.#peers.write(from === 0 ? bytes : bytes.subarray(from, end));
    this.#node.topUpSoon();
    this.pump();
  }

  /** Reads a frame's header, and decides what becomes of it. */
  #start(header: Uint8Array): void {
    const { length, type, flags, stream } = frameHeader(header);
    this.#payloadLeft = length;
    this.#type = type;
    this.#flags = flags;
    this.#stream = stream;
    let hold = false;
    this.#fate = "pass";
    if (type === FrameType.DATA) {
      this.#node.spend(length);
      if (!this.#streams.has(stream)) {
        this.#fate = "drop";
        return;
      }
      hold = this.#held.length > 0 || length > this.#connection;
      if (hold) this.#heldBytes += length;
      else this.#connection -= length;
      this.#peers.sent(1);
    } else if (type === FrameType.GOAWAY) {
      hold = true; // its last stream is looked at
    } else if (type === FrameType.HEADERS || type === FrameType.CONTINUATION) {
      hold = this.#held.length > 0;
      this.#inBlock = !hold && (flags & FrameFlag.END_HEADERS) === 0;
    } else if (type === FrameType.RST_STREAM && this.#held.length > 0) {
      this.#dropHeld(stream);
      hold = this.#held.some((frame) => frame.stream === stream); // behind headers that have to go
    }
    if (!hold) return;
    this.#fate = "hold";
    const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
    bytes.set(header);
    this.#holding = { type, flags, stream, bytes };
    this.#holdingFill = FRAME_HEADER_BYTES;
  }

  #hold(frame: HeldFrame): void {
    if (frame.type === FrameType.GOAWAY) {
      this.goawaySent = true;
      this.#peers.write(withLastStream(frame.bytes, this.lastDirect));
      return;
    }
    this.#held.push(frame);
    if (frame.type === FrameType.DATA && !this.#streams.has(frame.stream)) this.#dropHeld(frame.stream);
    if (this.#held.length > HELD_FRAMES_MAX) this.#peers.fail(tooManyHeld(this.#held.length));
  }

  /** A frame of node:http2 has gone to the socket (or is about to, with nothing in between). */
  #passed(type: number, flags: number, stream: number): void {
    if (type === FrameType.SETTINGS && (flags & FrameFlag.ACK) !== 0) {
      this.#changeWindows(this.#initialWindow.acknowledge());
    }
    const state = this.#streams.get(stream);
    if (type === FrameType.HEADERS && state !== undefined) state.answered = true;
    if (!endsStream(type, flags)) return;
    this.#forget(stream);
    this.#peers.ended(stream);
  }

  #releaseHeld(): void {
    while (this.#held.length > 0 && this.#mayInterpose) {
      const { type, flags, stream, bytes } = this.#held[0]!;
      if (type === FrameType.DATA) {
        const length = bytes.length - FRAME_HEADER_BYTES;
        if (length > this.#connection) return;
        this.#connection -= length;
        this.#heldBytes -= length;
      }
      this.#held.shift();
      this.#peers.write(bytes);
      this.#passed(type, flags, stream);
    }
  }

  #dropHeld(stream: number): void {
    this.#held = this.#held.filter((frame) => {
      if (frame.stream !== stream || frame.type !== FrameType.DATA) return true;
      this.#heldBytes -= frame.bytes.length - FRAME_HEADER_BYTES;
      return false;
    });
  }
}
