/**
 * A consumer that can be killed at any instant: rows and the cursor behind them go into its file in one write, and a
 * start goes on behind the last whole one.
 *
 *   bun test/flight/resume-consumer.ts <flight address> <ticket JSON> <file>
 */
import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { FlightClient } from "../../src/flight-client/client.ts";

const COMMIT = "#commit ";

/** What is committed: the rows, and the cursor if there is one. */
export function committed(file: string): { rows: string[]; cursor?: string; bytes: number } {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const at = text.lastIndexOf(`\n${COMMIT}`);
  const end = at < 0 ? -1 : text.indexOf("\n", at + 1);
  // a last line that is cut off is no commit; the one before it is
  if (at >= 0 && end < 0) return committedText(text.slice(0, at));
  return committedText(text);
}

function committedText(text: string): { rows: string[]; cursor?: string; bytes: number } {
  const at = text.lastIndexOf(`\n${COMMIT}`);
  if (at < 0) return { rows: [], bytes: 0 };
  const end = text.indexOf("\n", at + 1) + 1;
  const whole = text.slice(0, end);
  const rows = whole.split("\n").filter((line) => line !== "" && !line.startsWith(COMMIT));
  return { rows, cursor: whole.slice(at + 1 + COMMIT.length, end - 1), bytes: Buffer.byteLength(whole) };
}

if (import.meta.main) {
  const [address, ticket, file] = process.argv.slice(2) as [string, string, string];
  const before = committed(file);
  if (existsSync(file)) truncateSync(file, before.bytes);
  else writeFileSync(file, "");
  const client = new FlightClient(address);
  const from = before.cursor ?? "start";
  for await (const { table, metadata } of client.doGet(Buffer.from(JSON.stringify({ ...JSON.parse(ticket), from })))) {
    const columns = table.schema.fields.map((_, index) => table.getChildAt(index)!);
    let text = "";
    for (let row = 0; row < table.numRows; row++)
      text += `${columns.map((column) => String(column.get(row))).join("|")}\n`;
    appendFileSync(file, `${text}\n${COMMIT}${metadata.cursor}\n`);
  }
  client.close();
}
