/** TLS to sources, with certificates of a private authority: what is read, and what is said where a handshake fails. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import net from "node:net";
import { parseSourceEndpoint } from "../../src/config/source-endpoint.ts";
import { openSource } from "../../src/sources/open.ts";
import { type RawLedgerOptions, RawLedgerSource } from "../../src/sources/raw-ledger/raw-ledger-grpc.ts";
import { RpcSource } from "../../src/sources/rpc/rpc-source.ts";
import type { LedgerSource } from "../../src/sources/source.ts";
import { environmentAccess } from "../../src/sources/source-access.ts";
import { goClient } from "../clients/toolchain.ts";
import { Certificates, contentOf, hasOpenssl, type KeyPair } from "../support/certificates.ts";
import { failureOf } from "../support/failure.ts";
import { FolderServer } from "../support/folder-server.ts";
import { GoSource } from "../support/go-source.ts";
import { localServer } from "../support/local-server.ts";
import { SAMPLE } from "../support/processor.ts";
import { RpcServer } from "../support/rpc-server.ts";
import { until } from "../support/until.ts";
import { tinyLedger } from "./lake-fixture.ts";

const LEDGER = 5;
const AUTHORIZATION = "Bearer s3cret";
const isThere = hasOpenssl();
const go = await goClient();
if (go.missing !== undefined) console.log(`skipped: ${go.missing}`);

const open = (place: string, env: Record<string, string>) =>
  openSource(parseSourceEndpoint(place)!, environmentAccess(env));

async function ledgersOf(source: LedgerSource): Promise<number[]> {
  const seen: number[] = [];
  for await (const { ledgerFirst } of source.read(LEDGER, LEDGER, new AbortController().signal)) seen.push(ledgerFirst);
  await source.close();
  return seen;
}

describe.skipIf(!isThere)("TLS to sources", () => {
  const certificates = new Certificates();
  afterAll(() => certificates.remove());
  const pairs = {
    good: certificates.issue("server"),
    elsewhere: certificates.issue("elsewhere", { names: "DNS:elsewhere.example" }),
    expired: certificates.issue("expired", { days: -1 }),
  };
  const stranger = certificates.issue("stranger", { authority: certificates.authority("other") });
  const own = ({ cert, key }: KeyPair) => ({ SOURCE_CERT_FILE: cert, SOURCE_KEY_FILE: key });
  const TRUST = { SOURCE_CA_FILE: certificates.ca.cert };
  const CLIENT = { ...TRUST, ...own(certificates.issue("client")) };
  const ASKS = "asks for a client's certificate that it trusts: ";

  describe.skipIf(go.missing !== undefined)("a raw-ledger service of grpc-go", () => {
    const file = certificates.file("ledger.xdr");
    beforeAll(() => Bun.write(file, tinyLedger(LEDGER)));

    async function start(pair: KeyPair | undefined, ...more: string[]): Promise<GoSource> {
      const tls = pair === undefined ? [] : ["-cert", pair.cert, "-key", pair.key];
      const source = await GoSource.start(["-file", file, "-first", String(LEDGER), "-count", "1", ...tls, ...more]);
      return source!; // there is Go
    }

    test("by address and by name, and with a certificate of the reader's own", async () => {
      using server = await start(pairs.good);
      for (const host of ["127.0.0.1", "localhost"]) {
        const place = `grpcs://${server.address.replace("127.0.0.1", host)}`;
        expect(await ledgersOf(await open(place, TRUST))).toEqual([LEDGER]);
      }
      using asking = await start(pairs.good, "-client-ca", certificates.ca.cert);
      expect(await ledgersOf(await open(`grpcs://${asking.address}`, CLIENT))).toEqual([LEDGER]);
    });

    test("an authorization is sent, with TLS and without; a wrong one is in no error", async () => {
      for (const pair of [pairs.good, undefined]) {
        using server = await start(pair, "-authorization", AUTHORIZATION);
        const place = `${pair === undefined ? "grpc" : "grpcs"}://${server.address}`;
        expect(await ledgersOf(await open(place, { ...TRUST, SOURCE_AUTHORIZATION: AUTHORIZATION }))).toEqual([LEDGER]);
        const wrong = await open(place, { ...TRUST, SOURCE_AUTHORIZATION: "Bearer other" });
        const { code, message, cause } = await failureOf(ledgersOf(wrong));
        expect([code, message]).toEqual(["UNAUTHENTICATED", expect.stringContaining("who is [Bearer [hidden]]?")]);
        expect(cause).toBeUndefined(); // it has what the server said
      }
    });

    test.each<[string, keyof typeof pairs | undefined, Record<string, string>, string]>([
      ["an unknown authority", "good", {}, "name a file with the authority's certificate in SOURCE_CA_FILE"],
      ["another name", "elsewhere", TRUST, "its certificate is for another name or address"],
      ["an expired certificate", "expired", TRUST, "has expired: renew it"],
      ["no TLS", undefined, TRUST, "speaks no TLS: check the port"],
    ])("%s", async (_what, pair, env, sentence) => {
      using server = await start(pair && pairs[pair]);
      const { code, reason, message } = await failureOf(ledgersOf(await open(`grpcs://${server.address}`, env)));
      expect([code, reason, message]).toEqual(["UNAVAILABLE", "SOURCE_TLS", expect.stringContaining(sentence)]);
      expect(message).toStartWith(`raw ledgers from ${server.address}: TLS: `);
    });

    test.each([
      ["none", TRUST],
      ["a stranger's", { ...TRUST, ...own(stranger) }],
    ])("a client's certificate is asked for, and there is %s", async (_what, env) => {
      using server = await start(pairs.good, "-client-ca", certificates.ca.cert);
      const { reason, message } = await failureOf(ledgersOf(await open(`grpcs://${server.address}`, env)));
      expect([reason, message]).toEqual(["SOURCE_TLS", expect.stringContaining(`${ASKS}set SOURCE_CERT_FILE`)]);
    });

    const quick: RawLedgerOptions = { reconnectMsMin: 1, reconnectMsMax: 10, outageMsMax: 50, stallMsMax: 1_000 };

    test("TLS where none is expected", async () => {
      using server = await start(pairs.good);
      const { code, message } = await failureOf(ledgersOf(new RawLedgerSource(server.address, quick)));
      expect([code, message]).toEqual([
        "UNAVAILABLE",
        expect.stringContaining("does it speak TLS? Then write grpcs://"),
      ]);
    });

    test("a server that says nothing is left in time, and no connection stays behind", async () => {
      const sockets = new Set<net.Socket>();
      const silent = net.createServer((socket) => {
        sockets.add(
          socket
            .on("error", () => {})
            .on("close", () => sockets.delete(socket))
            .resume(),
        );
      });
      await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
      const { port } = silent.address() as net.AddressInfo;
      const source = new RawLedgerSource(`127.0.0.1:${port}`, { ...quick, isSecure: true });
      const { code, message } = await failureOf(ledgersOf(source));
      expect([code, message]).toEqual(["UNAVAILABLE", expect.stringContaining("nothing came for 1000 ms")]);
      await until(() => sockets.size === 0, "no connection is left");
      silent.close();
    }, 60_000);

    test("a session waits while the certificate is wrong, and goes on once it is right", async () => {
      const expired = await start(pairs.expired);
      const source = await open(`grpcs://${expired.address}`, TRUST);
      const server = await localServer(source, { "network-passphrase": "test" });
      try {
        const { sessionId } = await server.control.startProcessing({ startLedger: LEDGER });
        await until(
          async () => (await server.control.getStatus({ sessionId })).errorMessage.includes("has expired: renew it"),
          "it says what it waits for",
        );
        expired[Symbol.dispose]();
        await expired.ended;
        using _renewed = await start(pairs.good, "-addr", expired.address);
        await until(() => server.processor.sessions.get(sessionId).ledgerCurrent === LEDGER, "it has gone on");
      } finally {
        expired[Symbol.dispose]();
        await server.close();
        await source.close();
      }
    }, 120_000);
  });

  test("a lake behind a web server, with a certificate of the reader's own and an authorization", async () => {
    const asking = { ca: contentOf(certificates.ca).cert, requestCert: true, rejectUnauthorized: true };
    const refuse = ({ headers }: Request) =>
      headers.get("authorization") === AUTHORIZATION ? undefined : new Response(null, { status: 401 });
    using server = new FolderServer(SAMPLE.folder, refuse, { ...contentOf(pairs.good), ...asking });
    const place = `${server.endpoint}/?ledger=${SAMPLE.last}`;
    const lake = await open(place, { ...CLIENT, SOURCE_AUTHORIZATION: AUTHORIZATION });
    let count = 0;
    for await (const _ of lake.read(SAMPLE.first, SAMPLE.last, new AbortController().signal)) count += 1;
    expect(count).toBe(SAMPLE.last - SAMPLE.first + 1);
    expect(await failureOf(open(place, CLIENT))).toMatchObject({
      reason: "STORE_DENIED",
      message: expect.stringContaining("SOURCE_AUTHORIZATION"),
    });
    expect(await failureOf(open(place, {}))).toMatchObject({
      reason: "SOURCE_TLS",
      message: expect.stringContaining("SOURCE_CA_FILE"),
    });
  });

  test("a server of HTTP where one of gRPC should be", async () => {
    using server = new RpcServer(new Map(), "test", undefined, contentOf(pairs.good));
    const { reason, message } = await failureOf(ledgersOf(await open(`grpcs://${new URL(server.url).host}`, TRUST)));
    expect([reason, message]).toEqual(["SOURCE_TLS", expect.stringContaining("speaks TLS and no gRPC")]);
  });

  describe("an RPC server", () => {
    const ledgers = new Map([[LEDGER, tinyLedger(LEDGER)]]);
    const serve = (pair: KeyPair | undefined, more: Bun.TLSOptions = {}) =>
      new RpcServer(ledgers, "test", undefined, pair && { ...contentOf(pair), ...more });
    const asking = { ca: contentOf(certificates.ca).cert, requestCert: true, rejectUnauthorized: true };

    test("over TLS, with a certificate of the reader's own and an authorization, over few connections", async () => {
      const many = new Map(Array.from({ length: 300 }, (_, index) => [index + 1, tinyLedger(index + 1)]));
      using server = new RpcServer(many, "test", undefined, { ...contentOf(pairs.good), ...asking });
      const source = await open(`rpc+${server.url}`, { ...CLIENT, SOURCE_AUTHORIZATION: AUTHORIZATION });
      expect(await source.networkPassphrase()).toBe("test");
      let count = 0;
      for await (const _ of source.read(1, 300, new AbortController().signal)) count += 1;
      expect([count, new Set(server.authorizations)]).toEqual([300, new Set([AUTHORIZATION])]);
      expect(server.peers.size).toBeLessThan(server.calls.length / 2);
    });

    test.each<[string, keyof typeof pairs | undefined, Record<string, string>, Bun.TLSOptions, string]>([
      ["an unknown authority", "good", {}, {}, "name a file with the authority's certificate in SOURCE_CA_FILE"],
      ["another name", "elsewhere", TRUST, {}, "its certificate is for another name or address"],
      ["an expired certificate", "expired", TRUST, {}, "has expired: renew it"],
      ["no TLS", undefined, TRUST, {}, "speaks no TLS, or asks for"],
      ["a client's certificate is asked for", "good", TRUST, asking, `${ASKS}check the port, and set SOURCE_CERT_FILE`],
    ])("%s", async (_what, pair, env, tls, sentence) => {
      using server = serve(pair && pairs[pair], tls);
      const url = server.url.replace("http:", "https:");
      const { code, reason, message } = await failureOf(ledgersOf(await open(`rpc+${url}`, env)));
      expect([code, reason, message]).toEqual(["UNAVAILABLE", "SOURCE_TLS", expect.stringContaining(sentence)]);
      expect(message).toStartWith(`RPC server ${new URL(url).host}: TLS: `);
      expect(message).not.toContain("secret-key");
    });

    test("a refused authorization is asked about, and not shown", async () => {
      using server = new RpcServer(ledgers, "test", () => new Response("no", { status: 401 }));
      const { reason, message } = await failureOf(
        ledgersOf(new RpcSource(server.url, { authorization: AUTHORIZATION })),
      );
      expect([reason, message]).toEqual(["RPC_ANSWER", expect.stringContaining("SOURCE_AUTHORIZATION")]);
      expect(message).not.toContain("s3cret");
    });

    test("a server that repeats the authorization does not get it shown", async () => {
      using server = new RpcServer(ledgers, "test", () =>
        Response.json({ jsonrpc: "2.0", id: 1, error: { code: 1, message: `unknown key ${AUTHORIZATION}` } }),
      );
      const { message } = await failureOf(ledgersOf(new RpcSource(server.url, { authorization: AUTHORIZATION })));
      expect(message).toContain("unknown key Bearer [hidden]");
    });

    test("an authorization does not follow a redirect to another server", async () => {
      using target = new RpcServer(ledgers, "test");
      using server = new RpcServer(ledgers, "test", () => Response.redirect(target.url, 307));
      const source = new RpcSource(server.url, { authorization: AUTHORIZATION });
      expect(await ledgersOf(source)).toEqual([LEDGER]);
      expect([server.authorizations[0], target.authorizations[0]]).toEqual([AUTHORIZATION, null]);
    });
  });
});
