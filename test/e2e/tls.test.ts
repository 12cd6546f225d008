/** TLS with clients' certificates, met from outside: by pyarrow, Go, Java, grpcurl and the commands of the executable. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import net from "node:net";
import { resolve } from "node:path";
import tls from "node:tls";
import { connectControl } from "../../src/control/client.ts";
import { type Client, goClient, javaClient, pythonClient, runClient } from "../clients/toolchain.ts";
import { Certificates, contentOf, hasOpenssl, type KeyPair } from "../support/certificates.ts";
import { BUILD_MS_MAX, canHaveGrpcurl, grpcurlPath } from "../support/grpcurl.ts";
import { type Processor, runCommand, SAMPLE, startProcessor } from "../support/processor.ts";

const ATTEMPTS = Number(process.env.TLS_ATTEMPTS ?? 20);
// From source, or the executable.
const command = process.env.TLS_BINARY === undefined ? undefined : [resolve(process.env.TLS_BINARY)];

describe.skipIf(!hasOpenssl())("TLS", () => {
  const made = new Certificates();
  afterAll(() => made.remove());
  const ca = made.ca.cert;
  const server = made.issue("server");
  const client = made.issue("client", { usage: "clientAuth" });
  const flagsOf = ({ cert, key }: KeyPair) => [`--tls-cert-file=${cert}`, `--tls-key-file=${key}`];
  const session = ["--include-deleted", `--start-ledger=${SAMPLE.first}`, `--end-ledger=${SAMPLE.last}`];
  const sample = [`--source-endpoint=${SAMPLE.folder}`, ...session];
  let mutual: Processor; // clients need a certificate
  let plain: Processor;

  beforeAll(async () => {
    [mutual, plain] = await Promise.all([
      startProcessor([...sample, ...flagsOf(server), `--tls-client-ca-file=${ca}`], { command }),
      startProcessor(sample, { command }),
    ]);
  }, 120_000);
  afterAll(async () => {
    expect([await mutual.stop(), await plain.stop()]).toEqual([0, 0]);
  });

  const showing = (own: KeyPair) => ["-ca", ca, "-cert", own.cert, "-key", own.key];
  const get = (address: string, ...flags: string[]) => ["get", "-addr", address, "-path", "contract,data", ...flags];
  const isThere = (name: string, { missing }: Client) => {
    if (missing !== undefined) console.log(`skipped: ${name}: ${missing}`);
    return missing === undefined;
  };

  test(
    "pyarrow, Go and Java read the rows that they read without TLS",
    async () => {
      const hashes = new Map<string, unknown>();
      for (const [name, program] of [
        ["pyarrow", await pythonClient()],
        ["go", await goClient()],
        ["java", await javaClient()],
      ] as const) {
        if (!isThere(name, program)) continue;
        for (const args of [get(plain.flight), get(mutual.flight, ...showing(client))]) {
          const { results } = await runClient({ command: program.command! }, [...args, "-rows-out", made.file("rows")]);
          expect(results[0]).toMatchObject({ rows: SAMPLE.rows });
          hashes.set(`${name} ${args.length}`, results[0]!.sha256);
        }
      }
      expect(new Set(hashes.values()).size).toBeLessThanOrEqual(1);
    },
    BUILD_MS_MAX,
  );

  test(
    "grpcurl, with reflection, on both ports",
    async () => {
      if (!canHaveGrpcurl()) return;
      const grpcurl = (...args: string[]) => {
        const files = ["-cacert", ca, "-cert", client.cert, "-key", client.key];
        const run = Bun.spawnSync([grpcurlPath(), ...files, ...args]);
        expect([run.exitCode, run.stderr.toString()]).toEqual([0, ""]);
        return run.stdout.toString();
      };
      expect(grpcurl(mutual.control, "list")).toContain("contractdata.v1.ControlService");
      expect(grpcurl(mutual.flight, "list")).toContain("arrow.flight.protocol.FlightService");
      const { arrowFlightEndpoint } = JSON.parse(
        grpcurl(mutual.control, "contractdata.ContractDataService/GetServiceInfo"),
      );
      expect(arrowFlightEndpoint).toBe(`grpc+tls://${mutual.flight}`);
    },
    BUILD_MS_MAX,
  );

  test("HTTPS: health, metrics with the certificates' end, and where things are", async () => {
    const own = { ca: readFileSync(ca, "utf8"), ...contentOf(client) };
    const at = (path: string) => fetch(`https://${mutual.http}${path}`, { tls: own });
    expect(await (await at("/livez")).json()).toMatchObject({ status: "alive" });
    const metrics = await (await at("/metrics")).text();
    const line = /contract_data_tls_certificate_expiry_timestamp_seconds\{listener="flight"\} (\d+)/.exec(metrics);
    expect(Number(line?.[1]) - Date.now() / 1000).toBeGreaterThan(29 * 86_400);
    const { endpoints } = (await (await at("/status.json")).json()) as { endpoints: Record<string, object> };
    expect(endpoints.flight).toMatchObject({ tls: true, needsCert: true });
    expect(mutual.output()).toContain(`https://${mutual.http}/`);
    expect(mutual.output()).toContain(`grpc+tls://${mutual.flight}`);
  });

  test("the commands, by flags and by the environment", async () => {
    const flags = ["--ca-file", ca, "--cert-file", client.cert, "--key-file", client.key];
    const env = { CLIENT_CA_FILE: ca, CLIENT_CERT_FILE: client.cert, CLIENT_KEY_FILE: client.key };
    const started = await runCommand([
      "start",
      "--address",
      mutual.control,
      "--start-ledger",
      "58751999",
      "--end-ledger",
      "58752000",
      ...flags,
    ]);
    expect(started).toMatchObject({ exitCode: 0 });
    const id = started.stdout.trim();
    const watched = await runCommand(["watch", id, "--address", mutual.control], { env });
    expect(watched).toMatchObject({ exitCode: 0, stderr: "" });
    const tailed = await runCommand(["tail", "--address", mutual.flight, "--session", id, "--format", "ndjson"], {
      env,
    });
    expect([tailed.exitCode, tailed.stderr]).toEqual([0, expect.stringContaining("rows")]);
    const control = connectControl(mutual.control, { tls: { ca: [readFileSync(ca, "utf8")], ...contentOf(client) } });
    expect((await control.getStatus({ sessionId: id })).status).toBeGreaterThan(0);
    control.close();
  }, 60_000);

  const elsewhere = new Certificates();
  afterAll(() => elsewhere.remove());
  test.each<[string, string[], RegExp]>([
    ["nothing of TLS", [], /does it speak TLS\? Then give --ca-file/],
    ["the public authorities", ["--tls"], /name a file with the authority's certificate in --ca-file/],
    ["another authority", ["--ca-file", elsewhere.ca.cert], /--ca-file/],
    ["no certificate", ["--ca-file", ca], /set --cert-file and --key-file/],
    [
      "half of a certificate",
      ["--ca-file", ca, "--cert-file", client.cert],
      /--cert-file: the file .* set CLIENT_KEY_FILE too/,
    ],
  ])(
    "a command with %s says which flag mends it",
    async (_, flags, sentence) => {
      for (const [command, address] of [
        ["sessions", mutual.control],
        ["tail", mutual.flight],
      ] as const) {
        const run = await runCommand([command, "--address", address, ...flags]);
        expect([command, run.exitCode > 0, run.stderr]).toEqual([command, true, expect.stringMatching(sentence)]);
      }
    },
    60_000,
  );

  const strangers: Record<string, KeyPair | undefined> = {
    none: undefined,
    "of another authority": made.issue("stranger", { authority: elsewhere.ca }),
    expired: made.issue("expired", { days: -1 }),
    "not yet valid": made.issue("future", { isFuture: true }),
    "for servers alone": made.issue("wrong-use", { usage: "serverAuth" }),
  };
  test.each(Object.keys(strangers))(
    `${ATTEMPTS} of ${ATTEMPTS} clients are refused, certificate: %s`,
    async (name) => {
      const own = strangers[name];
      const shown = own && contentOf(own);
      for (const address of [mutual.control, mutual.flight, mutual.http]) {
        const answers = await Promise.all(Array.from({ length: ATTEMPTS }, () => answerOf(address, shown)));
        expect([address, answers.filter((bytes) => bytes > 0)]).toEqual([address, []]);
      }
      const go = await goClient();
      if (!isThere("go", go)) return;
      const args = get(mutual.flight, "-repeat", String(ATTEMPTS), "-max-seconds", "20");
      const { results } = await runClient({ command: go.command! }, [...args, ...(own ? showing(own) : ["-ca", ca])]);
      expect(results.map(({ error }) => error?.code)).toEqual(Array(ATTEMPTS).fill("Unavailable"));
    },
    120_000,
  );

  /** Bytes that the server answers to a request, in whichever protocol the port has, after the handshake. */
  function answerOf(address: string, own?: KeyPair): Promise<number> {
    const [host, port] = address.split(":");
    const isHttp = address === mutual.http;
    return new Promise((resolve) => {
      const protocols = { ALPNProtocols: isHttp ? ["http/1.1"] : ["h2"] };
      let bytes = 0;
      const socket = tls.connect({ ...own, ...protocols, host, port: Number(port), ca: readFileSync(ca) }, () =>
        socket.write(isHttp ? "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" : "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      );
      socket.on("data", (chunk) => {
        bytes += chunk.length;
        socket.destroy();
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(bytes));
    });
  }

  test("with its certificate, that same request is answered", async () => {
    for (const address of [mutual.control, mutual.flight, mutual.http]) {
      expect(await answerOf(address, contentOf(client))).toBeGreaterThan(0);
    }
  });

  test("a certificate for another name is refused by the clients", async () => {
    const own = made.issue("by-address", { names: "IP:127.0.0.1" });
    const processor = await startProcessor([...sample, ...flagsOf(own), "--health-tls-cert-file=off"], { command });
    try {
      expect((await fetch(`http://${processor.http}/livez`)).status).toBe(200);
      for (const [name, program] of [
        ["pyarrow", await pythonClient()],
        ["go", await goClient()],
      ] as const) {
        if (!isThere(name, program)) continue;
        const read = async (address: string) => {
          const { results } = await runClient({ command: program.command! }, [
            ...get(address),
            "-ca",
            ca,
            "-max-seconds",
            "20",
          ]);
          return results[0]!;
        };
        expect(await read(processor.flight)).toMatchObject({ rows: SAMPLE.rows });
        expect((await read(processor.flight.replace("127.0.0.1", "localhost"))).error).toBeDefined();
      }
      const port = processor.control.split(":")[1];
      const faults = await Promise.all(
        Array.from({ length: ATTEMPTS }, () => identityFault("localhost", Number(port), readFileSync(ca))),
      );
      expect(faults).toEqual(Array(ATTEMPTS).fill("ERR_TLS_CERT_ALTNAME_INVALID"));
      const run = await runCommand(["sessions", "--address", `localhost:${port}`, "--ca-file", ca]);
      expect([run.exitCode, run.stderr]).toEqual([1, expect.stringContaining("for another name")]);
    } finally {
      expect(await processor.stop()).toBe(0);
    }
  }, 120_000);

  /** With which error a client leaves that looks at the server's name. */
  function identityFault(host: string, port: number, ca: Buffer): Promise<string | undefined> {
    return new Promise((done) => {
      const socket = tls.connect({ host, port, ca, ALPNProtocols: ["h2"] }, () => {
        socket.destroy();
        done(undefined);
      });
      socket.on("error", (error: NodeJS.ErrnoException) => done(error.code));
    });
  }

  test("clients that shake no hands hold nobody up, and are let go", async () => {
    const [host, port] = mutual.control.split(":");
    const silent = Array.from({ length: 100 }, (_, index) => {
      const socket = net.connect(Number(port), host);
      socket.on("connect", () => {
        if (index % 2 === 0) socket.write(Buffer.from([22, 3, 1, 2, 0, 1])); // the beginning of a hello, and no more
      });
      socket.on("error", () => {});
      return socket;
    });
    const gone = Promise.all(silent.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    const control = connectControl(mutual.control, { tls: { ca: [readFileSync(ca, "utf8")], ...contentOf(client) } });
    expect((await control.listSessions({})).sessions.length).toBeGreaterThan(0);
    control.close();
    await gone;
  }, 60_000);
});
