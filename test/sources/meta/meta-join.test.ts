import { expect, test } from "bun:test";
import { parseSourceEndpoint } from "../../../src/config/source-endpoint.ts";
import { openSource } from "../../../src/sources/open.ts";
import { until } from "../../support/until.ts";
import { TemporaryLake } from "../lake-fixture.ts";
import { Fifo, records, sequence } from "./meta-fixture.ts";

const never = new AbortController().signal;

test("history from a lake, then the stream, whose window begins later; what a writer leaves out, from the lake", async () => {
  using lake = new TemporaryLake().putAll(1, 30);
  using fifo = new Fifo();
  const source = await openSource(parseSourceEndpoint(`${lake.folder}|meta:${fifo.path}`)!, { peer: {} });
  const seen: number[] = [];
  const reading = (async () => {
    for await (const { ledgerFirst } of source.read(1, 70, never)) seen.push(ledgerFirst);
  })();
  await until(() => seen.at(-1)! >= 20, "history has come");
  const writer = fifo.writer();
  await writer.write(records(25, 50));
  await until(() => seen.at(-1) === 50, "the stream has come");
  await writer.kill();
  lake.putAll(31, 60);
  await fifo.writer().write(records(58, 70));
  await reading;
  expect(seen).toEqual(sequence(1, 70));
  const again: number[] = [];
  for await (const { ledgerFirst } of source.read(40, 65, never)) again.push(ledgerFirst);
  expect(again).toEqual(sequence(40, 65));
  await source.close();
}, 60_000);
