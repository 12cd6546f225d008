/** How connections of a listener are counted, refused, ended and said, with sockets that are none. */
import { expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import type net from "node:net";
import { CodedError } from "../../src/error.ts";
import { Connections, FLOODS_MAX } from "../../src/grpc/connections.ts";
import type { WindowShim } from "../../src/http2/http2-window-shim.ts";
import type { PeerLimits } from "../../src/vocabulary/peer-limits.ts";

const MINUTE_MS = 60_000;
const FLOOD = new CodedError("RESOURCE_EXHAUSTED", "HTTP2_FLOOD", "resets are over 1: is it a flood?");

class Peer extends EventEmitter {
  destroyed = false;
  constructor(readonly remoteAddress: string) {
    super();
  }
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit("close");
  }
}

function listener(peerLimits: PeerLimits, limits: { connectionsMax?: number; peerConnectionsMax?: number } = {}) {
  const clock = { nowMs: 0 };
  const lines: string[] = [];
  const warn = (message: string, { peer, why, unwritten = "0" }: Record<string, string>) =>
    void lines.push(`${message}: ${peer}, ${why}, ${unwritten} unwritten`);
  const connections = new Connections(
    { connectionsMax: 100, peerConnectionsMax: 50, peerLimits, hasRoom: () => true, ...limits },
    warn,
    () => clock.nowMs,
  );
  /** The socket, and the shim where it was let in. */
  const connect = (address: string, fingerprint256?: string) => {
    const socket = new Peer(address);
    // What Connections asks of a socket and a shim is in Peer.
    connections.admit(socket as unknown as net.Socket);
    const shim = Object.assign(new Peer(address), { peerCertificate: fingerprint256 && { fingerprint256 } });
    shim.on("close", () => socket.destroy());
    // As above.
    if (!socket.destroyed) connections.shimmed(socket as unknown as net.Socket, shim as unknown as WindowShim);
    return { socket, shim };
  };
  return { clock, lines, connections, connect };
}

test("an address whose connections end for floods is kept out for the rest of the minute; others are not", () => {
  const { clock, lines, connections, connect } = listener("address");
  const before = connect("10.0.0.1");
  for (let flood = 0; flood < FLOODS_MAX; flood++) {
    const { socket, shim } = connect("10.0.0.1");
    expect(socket.destroyed).toBe(false);
    shim.emit("error", FLOOD);
    expect(socket.destroyed).toBe(true);
  }
  expect(connect("10.0.0.1").socket.destroyed).toBe(true);
  expect(connect("10.0.0.2").socket.destroyed).toBe(false);
  expect(before.socket.destroyed).toBe(false);
  expect([connections.ended, connections.refused]).toEqual([FLOODS_MAX, 1]);
  expect(lines).toEqual([
    `a connection was ended: 10.0.0.1, ${FLOOD.message}, 0 unwritten`,
    `connections are refused: 10.0.0.1, ${FLOODS_MAX} connections of it have ended for floods: it is kept out, ${FLOODS_MAX - 1} unwritten`,
  ]);
  clock.nowMs = MINUTE_MS;
  expect(connect("10.0.0.1").socket.destroyed).toBe(false);
});

test("a client that errs once a minute is never kept out", () => {
  const { clock, connect } = listener("address");
  for (let minute = 0; minute < 50; minute++) {
    connect("10.0.0.1").shim.emit("error", FLOOD);
    clock.nowMs += MINUTE_MS;
  }
  expect(connect("10.0.0.1").socket.destroyed).toBe(false);
});

test("what the server does by itself is no fault of the client's", () => {
  const { lines, connections, connect } = listener("address");
  connect("10.0.0.1").shim.emit("error", new CodedError("UNAVAILABLE", "SERVER_STOPPING", "the server stops"));
  connect("10.0.0.1").shim.emit("error", new Error("ECONNRESET"));
  expect([connections.ended, lines.length]).toEqual([0, 0]);
});

test("behind a load balancer addresses have no limit; with identity, certificates have one", () => {
  const byAddress = listener("address", { peerConnectionsMax: 2 });
  const off = listener("off", { peerConnectionsMax: 2, connectionsMax: 10 });
  const byIdentity = listener("identity", { peerConnectionsMax: 2, connectionsMax: 10 });
  const letIn = ({ connect }: typeof off, times: number, certificate?: string) =>
    Array.from({ length: times }, () => connect("10.0.0.1", certificate).socket).filter((each) => !each.destroyed);
  expect(letIn(byAddress, 5).length).toBe(2);
  expect(letIn(off, 15, "same").length).toBe(10);
  expect(letIn(byIdentity, 4).length).toBe(4);
  const [first] = letIn(byIdentity, 4, "AA:01");
  expect(letIn(byIdentity, 4, "AA:02").length).toBe(2);
  expect(byIdentity.connections.size).toBe(8);
  first!.destroy();
  expect(letIn(byIdentity, 2, "AA:01").length).toBe(1);
  for (let flood = 0; flood < 2 * FLOODS_MAX; flood++) off.connections.drop();
  for (let flood = 0; flood < 2 * FLOODS_MAX; flood++) off.connect("10.0.0.1").shim.emit("error", FLOOD);
  expect(letIn(off, 1).length).toBe(1); // the balancer is not kept out
});

test("a million strangers have twenty lines a minute", () => {
  const { clock, lines, connect } = listener("address", { connectionsMax: 1 });
  connect("10.0.0.1");
  for (let stranger = 0; stranger < 100_000; stranger++) connect(`2001:db8::${stranger.toString(16)}`);
  expect(lines.length).toBe(20);
  clock.nowMs = MINUTE_MS;
  connect("10.9.9.9");
  expect(lines.at(-1)).toContain("99980 unwritten");
});
