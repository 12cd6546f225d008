/**
 * A server that stands still for a while (SIGSTOP), a client that does, and sockets that are cut, over TLS with credentials
 * asked for: who reads goes on with every row, or is told by a status. `make soak` has 40 s of it (FROZEN_MS), past
 * keepalive's time.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CodedError } from "../../src/error.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { consume } from "../../src/sinks/consume.ts";
import { pythonClient, runClient } from "../clients/toolchain.ts";
import { Certificates, contentOf, hasOpenssl } from "../support/certificates.ts";
import { CutProxy } from "../support/cut-proxy.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { bearer, type GuardedServer, startGuarded } from "./support.ts";

const FROZEN_MS = Number(process.env.FROZEN_MS ?? 1500);
const KEEPALIVE_MS = 20_000; // frozen for longer, connections may be given up
const WAIT_MS_MAX = 60_000 + 2 * FROZEN_MS;
// Of a name that is sent 128 KiB a second: some seconds, so that it is amid its rows.
const RANGE = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, batch_size: 20 };
const COLUMNS = ["ledger_sequence", "val_xdr"]; // some two thirds of the bytes, for two who read at once

describe.skipIf(!hasOpenssl() || process.platform !== "linux")("over TLS with credentials", () => {
  const made = new Certificates();
  const ca = contentOf(made.ca).cert;
  let server: GuardedServer;

  beforeAll(async () => {
    const { cert, key } = made.issue("server");
    server = await startGuarded({ TLS_CERT_FILE: cert, TLS_KEY_FILE: key });
  }, 60_000);
  afterAll(async () => {
    await server.close();
    made.remove();
  });

  /** How a reading ends: all rows, or a code. `began` is called at its first batch. */
  type Reading = (began: () => void) => Promise<number | string>;

  /** By our own client. @param more what the ticket has beside the range */
  const flight = async (address: string, began: () => void, more: object = {}, onBatch?: (cursor: string) => void) => {
    const client = new FlightClient(address, { token: server.keys["slow-reader"], tls: { ca: [ca] } });
    let rows = 0;
    let lastChained = 0;
    const ticket = Buffer.from(JSON.stringify({ ...RANGE, ...more }));
    try {
      for await (const { table, metadata } of client.doGet(ticket, undefined, (chain) => {
        lastChained = chain.ledger_last;
      })) {
        began();
        rows += table.numRows;
        onBatch?.(metadata.cursor);
      }
      return { rows, lastChained };
    } catch (thrown) {
      return { rows, code: CodedError.from(thrown).code };
    } finally {
      client.close();
    }
  };
  const http: Reading = async (began) => {
    const query = `start_ledger=${RANGE.start_ledger}&end_ledger=${RANGE.end_ledger}&batch_size=20&columns=${COLUMNS}`;
    const headers = bearer(server.keys["slow-reader"]);
    const { body } = await fetch(`https://${server.processor.http}/v1/rows?${query}`, { headers, tls: { ca } });
    let text = "";
    for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
      began();
      text += chunk;
    }
    const last = JSON.parse(text.trimEnd().split("\n").at(-1)!) as { error?: { code: string } };
    return last.error?.code ?? text.trimEnd().split("\n").length;
  };

  /** By a sink, which is never told: it waits, or asks anew behind its last commit. */
  const sink: Reading = async (began) => {
    let [rows, pending] = [0, 0];
    let cursor: string | undefined;
    await consume({
      ...{ address: server.processor.flight, token: server.keys["slow-reader"], tls: { ca: [ca] }, commitRows: 1 },
      selection: { ...RANGE, columns: COLUMNS },
      onCommit: began,
      sink: {
        open: async () => cursor,
        write({ table }) {
          pending += table.numRows;
        },
        commit(next) {
          [rows, pending, cursor] = [rows + pending, 0, next];
        },
        close() {
          pending = 0;
        },
      },
    });
    return rows;
  };

  test(
    "a server that stands still: its clients go on, or are told, and a sink has every row once",
    async () => {
      let begun = 0;
      const all: Reading[] = [
        async (began) => {
          const { rows, code } = await flight(server.processor.flight, began, { columns: COLUMNS });
          return code ?? rows;
        },
        http,
        sink,
      ];
      const readings = all.map((read) => {
        let isFirst = true;
        return read(() => {
          if (isFirst) begun++;
          isFirst = false;
        });
      });
      await until(() => begun === all.length, "rows for all");
      server.processor.kill("SIGSTOP");
      await Bun.sleep(FROZEN_MS);
      server.processor.kill("SIGCONT");
      const ends = await Promise.all(readings);
      const told = FROZEN_MS < KEEPALIVE_MS ? [] : ["UNAVAILABLE"];
      for (const end of ends) expect([SAMPLE.rows, ...told]).toContain(end);
      expect(ends[2]).toBe(SAMPLE.rows);
      expect(await (await fetch(`https://${server.processor.http}/livez`, { tls: { ca } })).json()).toBeObject();
    },
    WAIT_MS_MAX,
  );

  test(
    "a client of HTTP that stands still goes on, or is told",
    async () => {
      const curl = Bun.which("curl");
      if (curl === null) return console.log("skipped: there is no curl");
      const file = made.file("ca-of-the-server.pem", ca);
      const query = `start_ledger=${RANGE.start_ledger}&end_ledger=${RANGE.end_ledger}&batch_size=20&columns=${COLUMNS}`;
      const login = `slow-reader:${server.passwords["slow-reader"]}`;
      const words = ["-sS", "--cacert", file, "-u", login, `https://${server.processor.http}/v1/rows?${query}`];
      const client = Bun.spawn([curl, ...words], { stdout: "pipe", stderr: "pipe" });
      let text = "";
      let freezing: Promise<void> | undefined;
      for await (const chunk of client.stdout.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        freezing ??= (async () => {
          client.kill("SIGSTOP"); // amid its rows
          await Bun.sleep(FROZEN_MS);
          client.kill("SIGCONT");
        })();
      }
      await freezing;
      expect([await client.exited, await new Response(client.stderr).text()]).toEqual([0, ""]);
      const last = JSON.parse(text.trimEnd().split("\n").at(-1)!) as { error?: { reason: string } };
      if (last.error === undefined) expect(text.trimEnd().split("\n").length).toBe(SAMPLE.rows);
      else expect([FROZEN_MS >= KEEPALIVE_MS, last.error.reason]).toEqual([true, "SLOW_CLIENT"]);
    },
    WAIT_MS_MAX,
  );

  test(
    "a client that stands still goes on, or is told",
    async () => {
      const python = await pythonClient();
      if (python.command === undefined) return console.log(`skipped: ${python.missing}`);
      const file = made.file("ca-of-the-server.pem", ca);
      const login = `slow-reader:${server.passwords["slow-reader"]}`;
      const args = ["get", "-addr", server.processor.flight, "-ticket", JSON.stringify(RANGE), "-ca", file];
      const words = [...args, "-login", login, "-max-seconds", "300"];
      // a shell that says its number, so that the client can be stopped
      const pid = made.file("pid");
      const command = ["sh", "-c", `echo $$ > ${pid}; exec "$@"`, "sh", ...python.command];
      const run = runClient({ command }, words);
      await until(
        async () => (await Bun.file(pid).exists()) && (await Bun.file(pid).text()).endsWith("\n"),
        "its number",
      );
      const metrics = async () =>
        (
          await fetch(`https://${server.processor.http}/metrics`, { headers: bearer(server.keys.admin), tls: { ca } })
        ).text();
      await until(async () => /^contract_data_flight_clients_connected [1-9]/m.test(await metrics()), "it reads");
      const number = Number(await Bun.file(pid).text());
      process.kill(number, "SIGSTOP");
      await Bun.sleep(FROZEN_MS);
      process.kill(number, "SIGCONT");
      const [result] = (await run).results;
      const isWhole = result!.error === undefined && result!.rows === SAMPLE.rows;
      const isTold = FROZEN_MS >= KEEPALIVE_MS && result!.error?.code === "Unavailable";
      expect([isWhole || isTold, result]).toEqual([true, result]);
    },
    WAIT_MS_MAX,
  );

  test(
    "sockets that are cut: the client is told, and goes on at its cursor with no row lost or doubled",
    async () => {
      const proxy = await CutProxy.listen();
      proxy.leadTo(server.processor.flight);
      let cursor: string | undefined;
      const { rows, code } = await flight(
        proxy.address,
        () => {},
        {},
        (next) => {
          cursor = next;
          proxy.cut();
        },
      );
      proxy.close();
      expect(code).toBe("UNAVAILABLE");
      expect(rows).toBeGreaterThan(0);
      expect(rows).toBeLessThan(SAMPLE.rows);
      const rest = await flight(server.processor.flight, () => {}, { from: cursor });
      expect([rest.code, rows + rest.rows, rest.lastChained]).toEqual([undefined, SAMPLE.rows, SAMPLE.last]);
    },
    WAIT_MS_MAX,
  );
});
