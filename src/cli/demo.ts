import type { Table } from "apache-arrow";
import { loadConfig } from "../config/load.ts";
import { integer } from "../config/types.ts";
import { connectControl } from "../control/client.ts";
import { FlightClient } from "../flight-client/client.ts";
import { createLogger } from "../ops/log.ts";
import { ArrowCells } from "../rows/arrow-cells.ts";
import { startServer } from "../server/server.ts";
import { openSource } from "../sources/open.ts";
import { sourceAccess } from "../sources/source-access.ts";
import { defineCommand } from "./command.ts";
import { option, optionOr } from "./flags.ts";
import { PROGRAM } from "./program.ts";
import { Progress } from "./progress.ts";
import { tableHead, tableRow } from "./row-table.ts";
import { openSampleLake, SAMPLE_LEDGER_FIRST, SAMPLE_LEDGER_LAST, SAMPLE_NETWORK_PASSPHRASE } from "./sample-lake.ts";

const LEDGERS_MAX = 10_000_000; // replaying the sample: some hours
const ROWS_SHOWN = 12; // fits a small terminal with the summary

export const command = defineCommand({
  usage: "[flags]",
  description:
    "Starts a server on loopback over seven real pubnet ledgers, starts a session through its control plane, reads it through Arrow Flight, prints some rows, those with a balance first, and one line of totals. Nothing stays behind.",
  flags: {
    ledgers: option({
      placeholder: "N",
      type: integer(1, LEDGERS_MAX),
      summary: "Replay the sample, renumbered, until N ledgers have been read. Default: the seven ledgers once.",
    }),
    rows: optionOr({
      placeholder: "N",
      type: integer(0, 1_000_000),
      otherwise: ROWS_SHOWN,
      summary: `How many rows to print. Default: ${ROWS_SHOWN}.`,
    }),
  },
  examples: [
    { command: `${PROGRAM} demo`, meaning: "the seven sample ledgers" },
    { command: `${PROGRAM} demo --ledgers 2000 --rows 0`, meaning: "how fast this machine is" },
  ],
  async run({ flags, stdout, stderr, interrupt }) {
    const signal = interrupt();
    const lake = openSampleLake();
    const { values: config } = loadConfig({
      flags: {
        "source-endpoint": `${flags.ledgers === undefined ? "file://" : "repeat:"}${lake.folder}`,
        "network-passphrase": SAMPLE_NETWORK_PASSPHRASE,
        "include-deleted": "true",
        "grpc-address": "127.0.0.1:0",
        "flight-address": "127.0.0.1:0",
        "health-port": "127.0.0.1:0",
        "worker-count": String(Math.max(1, Math.min(4, navigator.hardwareConcurrency))),
      },
    });
    const log = createLogger({ level: "warn", format: "pretty" });
    const source = await openSource(config.sourceEndpoint, sourceAccess(config));
    try {
      const processor = await startServer(config, source, log, { ownsProcess: true });
      const control = connectControl(`127.0.0.1:${processor.addresses.control.port}`);
      const flight = new FlightClient(`127.0.0.1:${processor.addresses.flight.port}`);
      try {
        const endLedger = flags.ledgers === undefined ? SAMPLE_LEDGER_LAST : SAMPLE_LEDGER_FIRST + flags.ledgers - 1;
        const begun = performance.now();
        const { sessionId } = await control.startProcessing({
          startLedger: SAMPLE_LEDGER_FIRST,
          endLedger,
          schemaVersion: 2,
        });
        const progress = new Progress(stderr, endLedger - SAMPLE_LEDGER_FIRST + 1);
        const telling = new TellingRows(flags.rows);
        let rows = 0;
        const ticket = Buffer.from(JSON.stringify({ session: sessionId, from: "start" }));
        for await (const { table, metadata } of flight.doGet(ticket, signal)) {
          telling.add(table);
          rows += table.numRows;
          progress.show(metadata.ledger_complete - SAMPLE_LEDGER_FIRST + 1, `${rows} rows`);
        }
        const seconds = (performance.now() - begun) / 1000;
        progress.clear();
        const status = processor.sessions.get(sessionId);
        const { bytesProcessed } = await control.getMetrics({ sessionId });
        if (flags.rows > 0) stdout.write(`${telling.text(rows)}\n`);
        const rate = bytesProcessed / 1e6 / seconds;
        stdout.write(
          `${status.ledgersProcessed} ledgers, ${rows} rows, ${seconds.toFixed(2)} s, ${rate.toFixed(1)} MB/s of XDR\n`,
        );
        return signal.aborted ? 130 : 0;
      } finally {
        flight.close();
        control.close();
        await processor.close(0);
      }
    } finally {
      await source.close();
      lake.remove();
    }
  },
});

/** The rows that are printed: those with a balance first, since they have most columns, then the first others. */
class TellingRows {
  private readonly balances: string[] = [];
  private readonly others: string[] = [];

  constructor(private readonly rowsMax: number) {}

  add(table: Table): void {
    const cells = new ArrowCells(table);
    for (let row = 0; row < table.numRows && this.balances.length < this.rowsMax; row++) {
      const cell = (column: string) => cells.value(row, column);
      const kind = cell("balance_holder") === null ? this.others : this.balances;
      if (kind.length < this.rowsMax) kind.push(tableRow(cell));
    }
  }

  /** @param rows how many were read */
  text(rows: number): string {
    const shown = [...this.balances, ...this.others].slice(0, this.rowsMax);
    const more = rows > shown.length ? [`… and ${rows - shown.length} rows more`] : [];
    return [tableHead(), ...shown, ...more].join("\n");
  }
}
