/** Certificates that are renewed while clients read. */
import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import tls from "node:tls";
import { connectControl } from "../../src/control/client.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { Certificates, contentOf, hasOpenssl, type KeyPair } from "../support/certificates.ts";
import { SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const BATCH_MS = 20; // between two batches: the stream is to go on, not to take a core

describe.skipIf(!hasOpenssl())("renewed certificates", () => {
  const made = new Certificates();
  afterAll(() => made.remove());

  /** A folder with the pair in it, and a link in its place that is replaced at once, as Kubernetes does. */
  const show = (name: string, pair: KeyPair) => {
    mkdirSync(made.file(name));
    copyFileSync(pair.cert, made.file(`${name}/tls.crt`));
    copyFileSync(pair.key, made.file(`${name}/tls.key`));
    symlinkSync(name, made.file("data.new"));
    renameSync(made.file("data.new"), made.file("data"));
  };

  /** Name of the certificate that a new connection is shown. */
  const shownBy = (address: string): Promise<string> => {
    const [host, port] = address.split(":");
    return new Promise((resolve) => {
      const ALPNProtocols = ["h2", "http/1.1"];
      const socket = tls.connect({ host, port: Number(port), ca: contentOf(made.ca).cert, ALPNProtocols }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.on("error", () => resolve("nothing")); // cut, as HTTP may do at that very moment
    });
  };

  test("are shown to new connections; streams that run go on, and a broken pair changes nothing", async () => {
    show("one", made.issue("first"));
    const [cert, key] = [made.file("data/tls.crt"), made.file("data/tls.key")];
    const files = [`--tls-cert-file=${cert}`, `--tls-key-file=${key}`];
    const processor = await startProcessor([
      `--source-endpoint=repeat:${SAMPLE.folder}`,
      "--include-deleted",
      ...files,
    ]);
    const listeners = [processor.control, processor.flight, processor.http];
    const shown = async () => [...new Set(await Promise.all(listeners.map(shownBy)))];
    const trust = { tls: { ca: [contentOf(made.ca).cert] } };
    const control = connectControl(processor.control, trust);
    const flight = new FlightClient(processor.flight, trust);
    const stopReading = new AbortController();
    try {
      expect(await shown()).toEqual(["first"]);
      const { sessionId } = await control.startProcessing({ startLedger: 1000 });
      let rows = 0;
      let newest = 0;
      const ticket = Buffer.from(JSON.stringify({ session: sessionId, from: "start" }));
      const reading = (async () => {
        for await (const { table, metadata } of flight.doGet(ticket, stopReading.signal)) {
          expect(metadata.ledger_first).toBeGreaterThanOrEqual(newest);
          newest = metadata.ledger_last;
          rows += table.numRows;
          await Bun.sleep(BATCH_MS);
        }
      })();
      const goesOn = async () => {
        const before = rows;
        await until(() => rows > before, "the stream goes on");
        expect((await control.getStatus({ sessionId })).status).toBe(Status.RUNNING); // over its old connection
      };
      await goesOn();

      show("two", made.issue("second"));
      await until(async () => (await shown()).join() === "second", "the second certificate is shown");
      await goesOn();

      writeFileSync(key, "no key");
      await until(() => processor.output().includes("cannot be used"), "the log tells of it");
      expect(await shown()).toEqual(["second"]);
      await goesOn();

      show("three", made.issue("third"));
      await until(async () => (await shown()).join() === "third", "the third certificate is shown");
      await goesOn();
      stopReading.abort();
      await reading;
    } finally {
      stopReading.abort();
      control.close();
      flight.close();
      expect(await processor.stop()).toBe(0);
    }
  }, 180_000);
});
