/** Lanes beside node:http2's own frames, on random connections. */
import { expect, test } from "bun:test";
import { randomFrom, seedOf } from "../support/random.ts";
import { connection } from "./connection.ts";
import { ClientEnd, NodeEnd } from "./connection-ends.ts";
import { ACK, CLIENT_PREFACE, data, frame, headers, initialWindow, windowUpdate } from "./frames.ts";

const STREAMS = [1, 3, 5, 7, 9];
const LANED = new Set([1, 3, 5]);
const STEPS = 400;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/**
 * A random connection: a client with windows of its own, calls on lanes and calls of node:http2 that write at random, a
 * socket that is full at random, and bytes of node:http2 that come in pieces.
 */
class RandomConnection {
  private readonly ends = connection();
  private readonly client: ClientEnd;
  private readonly node = new NodeEnd();
  private readonly lanes;
  private initial: number;
  private readonly written = new Map<number, Buffer[]>(STREAMS.map((stream) => [stream, []]));
  private readonly waits = new Map<number, Promise<boolean> | true>();
  /** How often something was written, by stream. */
  private readonly counts = new Map<number, number>();
  private unsaid = Buffer.alloc(0);
  private unsent = Buffer.alloc(0);
  private uploads = 0;
  private headersSent = 0;

  constructor(private readonly random: () => number) {
    const { subject, outbound, toClient, toNode } = this.ends;
    this.initial = 1 + this.pick(3000);
    const opening = [CLIENT_PREFACE, initialWindow(this.initial), ...STREAMS.map((stream) => headers(stream))];
    subject.inbound(Buffer.concat(opening));
    outbound.fromNode(ACK);
    for (const stream of STREAMS) outbound.fromNode(headers(stream));
    this.lanes = [...LANED].map((stream) => outbound.openLane(stream)!);
    this.client = new ClientEnd(STREAMS, LANED, this.initial);
    this.client.receive(toClient);
    toNode.length = 0;
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      this.step(this.pick(10));
      if (this.random() < 0.2) await turn();
      this.receive();
    }
    await this.finish();
  }

  private pick(n: number): number {
    return Math.floor(this.random() * n);
  }

  private receive(): void {
    this.node.receive(this.ends.toNode);
    this.client.receive(this.ends.toClient);
  }

  /** What the client says comes in pieces too. */
  private say(bytes: Buffer, whole = this.random() < 0.6): void {
    this.unsaid = Buffer.concat([this.unsaid, bytes]);
    const count = whole ? this.unsaid.length : this.pick(this.unsaid.length);
    this.ends.subject.inbound(Buffer.from(this.unsaid.subarray(0, count)));
    this.unsaid = this.unsaid.subarray(count);
  }

  private nodeWrites(bytes: Buffer): void {
    this.unsent = Buffer.concat([this.unsent, bytes]);
    const count = this.random() < 0.7 ? this.unsent.length : this.pick(this.unsent.length);
    this.ends.outbound.fromNode(Buffer.from(this.unsent.subarray(0, count)));
    this.unsent = this.unsent.subarray(count);
  }

  private content(stream: number, bytes: number): Buffer {
    const count = this.counts.get(stream) ?? 0;
    this.counts.set(stream, count + 1);
    return Buffer.alloc(bytes, (stream * 31 + count) & 0xff);
  }

  private step(choice: number): void {
    if (choice <= 2) this.writeToLane();
    else if (choice <= 4) this.writeFromNode();
    else if (choice <= 6) this.grant(choice === 5);
    else if (choice === 7 && this.random() < 0.5) this.upload();
    else if (choice === 7) {
      this.ends.socket.idle = !this.ends.socket.idle;
      this.ends.outbound.pump();
    } else if (choice === 8) {
      if (this.random() < 0.5) {
        this.headersSent += 1;
        this.nodeWrites(headers(7));
      } else this.nodeWrites(frame(6, 0, 0, Buffer.alloc(8)));
    } else if (this.random() < 0.3 && this.client.raises.length === 0) this.raise();
  }

  private writeToLane(): void {
    const lane = this.lanes[this.pick(this.lanes.length)]!;
    if (lane.bytesLeft > 0) return;
    const bytes = this.content(lane.stream, 1 + this.pick(40_000));
    this.written.get(lane.stream)!.push(Buffer.from(bytes));
    const result = lane.write([bytes.subarray(0, 1), bytes.subarray(1)]);
    if (result !== true) this.waits.set(lane.stream, result as Promise<boolean>);
    else bytes.fill(0); // it is the caller's again
  }

  private writeFromNode(): void {
    const stream = this.random() < 0.5 ? 7 : 9;
    const bytes = this.content(stream, 1 + this.pick(3000));
    if (bytes.length > this.node.believed) return;
    this.node.believed -= bytes.length;
    this.written.get(stream)!.push(bytes);
    this.nodeWrites(frame(0, 0, stream, bytes));
  }

  private grant(toConnection: boolean): void {
    if (toConnection) {
      const bytes = 1 + this.pick(30_000);
      this.client.connectionWindow += bytes;
      this.say(windowUpdate(0, bytes));
    } else {
      const stream = STREAMS[this.pick(STREAMS.length)]!;
      const bytes = 1 + this.pick(30_000);
      this.client.grant(stream, bytes);
      this.say(windowUpdate(stream, bytes));
    }
  }

  private upload(): void {
    const bytes = 1 + this.pick(3000);
    this.uploads += bytes;
    this.say(data(7, bytes));
  }

  private raise(): void {
    const raise = this.pick(2000);
    this.initial += raise;
    this.client.raises.push(raise);
    this.say(initialWindow(this.initial), true);
    this.nodeWrites(ACK);
  }

  /** The client takes everything in the end. */
  private async finish(): Promise<void> {
    const { client, node } = this;
    const { subject, outbound, socket, toClient, toNode } = this.ends;
    socket.idle = true;
    outbound.fromNode(Buffer.from(this.unsent));
    this.say(Buffer.alloc(0), true);
    for (const stream of STREAMS) {
      client.grant(stream, 1_000_000);
      subject.inbound(windowUpdate(stream, 1_000_000));
    }
    client.connectionWindow += 100_000_000;
    subject.inbound(windowUpdate(0, 100_000_000));
    outbound.pump();
    client.receive(toClient);
    await turn();
    node.receive(toNode);
    expect([node.uploaded, node.bytesLeft]).toEqual([this.uploads, 0]);
    expect(await Promise.all(this.waits.values())).not.toContain(false);
    for (const stream of STREAMS) {
      expect(Buffer.concat(client.got.get(stream)!).equals(Buffer.concat(this.written.get(stream)!))).toBe(true);
    }
    const { headersGot, bytesLeft } = client;
    expect([headersGot, outbound.flushed, bytesLeft]).toEqual([STREAMS.length + this.headersSent, true, 0]);
  }
}

test("random connections: every byte in order, and never more than the client allows", async () => {
  const seed = seedOf();
  console.log(`http2-outbound: SEED=${seed}`);
  const random = randomFrom(seed);
  for (let round = 0; round < 60; round++) await new RandomConnection(random).run();
});
