/**
 * Every kind of filter, by every way in: environment, file and flag, StartProcessing, ConfigureFilters, a range ticket,
 * `decode`. Each must select the same rows of the sample.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Table } from "apache-arrow";
import { loadConfig } from "../../src/config/load.ts";
import { flagOf, SETTINGS } from "../../src/config/schema.ts";
import type { Filters } from "../../src/grpc/generated/control.ts";
import type { Init } from "../../src/grpc/service.ts";
import { Lake } from "../../src/sources/lake/lake.ts";
import { failureOf } from "../support/failure.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { runCommand, SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-filters-"));
let source: Lake;
let server: LocalServer;
let everything: Row[];

interface Row {
  /** What makes it one of its kind. */
  key: string;
  [column: string]: unknown;
}

beforeAll(async () => {
  source = await Lake.open(SAMPLE.folder);
  server = await localServer(source);
  everything = await ofRange(server, { include_deleted: true });
  expect(everything.length).toBeGreaterThanOrEqual(SAMPLE.rows);
});
afterAll(async () => {
  await server.close();
  await source.close();
  rmSync(scratch, { recursive: true, force: true });
});

function rowsOf(table: Table): Row[] {
  return table.toArray().map((row) => {
    const json = row.toJSON() as Record<string, unknown>;
    return { ...json, key: `${json.ledger_sequence}/${json.transaction_order}/${json.change_index}` };
  });
}

async function read(server: LocalServer, ticket: object): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const { table } of server.flight.doGet(Buffer.from(JSON.stringify(ticket)))) rows.push(...rowsOf(table));
  return rows;
}

const RANGE = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, schema_version: 2 };

function ofRange(server: LocalServer, filters?: object): Promise<Row[]> {
  return read(server, { ...RANGE, filters });
}

async function ofSession(server: LocalServer, filters?: Init<Filters>): Promise<Row[]> {
  const { sessionId } = await server.control.startProcessing({
    startLedger: SAMPLE.first,
    endLedger: SAMPLE.last,
    schemaVersion: 2,
    filters,
  });
  const rows = await read(server, { session: sessionId, from: "start" });
  await until(async () => (await server.control.getStatus({ sessionId })).status === 4, "stopped");
  await server.control.deleteSession({ sessionId });
  return rows;
}

const text = (column: string) => (rows: Row[]) => String(rows.find((row) => row[column] != null)![column]);

interface Kind {
  env: string;
  message: keyof Filters;
  key: string;
  flag: string;
  /** From what there is in the sample. */
  value(rows: Row[]): string;
  selects(row: Row, value: string): boolean;
}

const among = (column: string) => (row: Row, value: string) => String(row[column] ?? "") === value;

const balanceOf = ({ balance_text: text }: Row) => (text == null ? -1n : BigInt(String(text)));

const KINDS: Kind[] = [
  {
    ...{ env: "FILTER_CONTRACT_IDS", message: "contractIds", key: "contract_ids", flag: "contract-id" },
    value: text("contract_id"),
    selects: among("contract_id"),
  },
  {
    ...{ env: "FILTER_ASSET_CODES", message: "assetCodes", key: "asset_codes", flag: "asset-code" },
    value: text("asset_code"),
    selects: among("asset_code"),
  },
  {
    ...{ env: "FILTER_ASSET_ISSUERS", message: "assetIssuers", key: "asset_issuers", flag: "asset-issuer" },
    value: text("asset_issuer"),
    selects: among("asset_issuer"),
  },
  {
    ...{ env: "FILTER_BALANCE_HOLDERS", message: "balanceHolders", key: "balance_holders", flag: "balance-holder" },
    value: text("balance_holder"),
    selects: among("balance_holder"),
  },
  {
    ...{ env: "FILTER_MIN_BALANCE", message: "minBalance", key: "min_balance", flag: "min-balance" },
    value: (rows) => String(rows.map(balanceOf).find((balance) => balance > 0n)),
    selects: (row, value) => balanceOf(row) >= BigInt(value),
  },
  {
    ...{ env: "FILTER_BALANCES", message: "balances", key: "balances", flag: "balances" },
    value: () => "true",
    selects: (row) => row.balance_holder != null,
  },
  {
    ...{ env: "FILTER_KEY_TYPES", message: "keyTypes", key: "key_types", flag: "key-type" },
    value: text("contract_key_type"),
    selects: among("contract_key_type"),
  },
  {
    ...{ env: "FILTER_DURABILITY", message: "durability", key: "durability", flag: "durability" },
    value: () => "temporary",
    selects: (row) => String(row.contract_durability).endsWith("Temporary"),
  },
  {
    ...{ env: "FILTER_CHANGE_TYPES", message: "changeTypes", key: "change_types", flag: "change-type" },
    value: () => "created",
    selects: among("change_type"),
  },
  {
    env: "FILTER_MODIFIED_AFTER_LEDGER",
    ...{ message: "modifiedAfterLedger", key: "modified_after_ledger", flag: "modified-after-ledger" },
    value: () => String(SAMPLE.last - 3),
    selects: ({ last_modified_ledger: ledger }, value) => ledger != null && Number(ledger) > Number(value),
  },
];

test("there is a way in for every filter setting", () => {
  const names = Object.values(SETTINGS).filter(({ group }) => group === "Filters");
  expect(names.map(({ env }) => env).sort()).toEqual([...KINDS.map(({ env }) => env), "INCLUDE_DELETED"].sort());
});

for (const kind of KINDS) {
  test(`${kind.key}: the same rows by every way in`, async () => {
    const { env, message, key, flag } = kind;
    const value = kind.value(everything);
    const expected = everything.filter((row) => kind.selects(row, value)).map((row) => row.key);
    expect(expected.length).toBeGreaterThan(0);
    expect(expected.length).toBeLessThan(everything.length);

    const file = join(scratch, `${env}.json`);
    writeFileSync(file, JSON.stringify({ [env]: value }));
    const byFlag = loadConfig({ flags: { [flagOf(env)]: value } }).values;
    expect(loadConfig({ env: { [env]: value } }).values).toEqual(byFlag);
    expect(loadConfig({ file }).values).toEqual(byFlag);

    const isToggle = key === "balances";
    const isList = key.endsWith("s") && !isToggle;
    const isNumber = message === "modifiedAfterLedger";
    const given = isList ? [value] : isNumber ? Number(value) : isToggle ? true : value;
    const filters = { [message]: given, includeDeleted: true } as Init<Filters>;
    const keys = (rows: Row[]) => rows.map((row) => row.key);
    const configured = await localServer(source, { [flagOf(env)]: value });
    expect(keys(await ofSession(configured))).toEqual(expected);
    expect(keys(await ofRange(configured))).toEqual(expected);
    await configured.close();

    expect(keys(await ofSession(server, filters))).toEqual(expected);
    expect(keys(await ofRange(server, { [key]: given, include_deleted: true }))).toEqual(expected);
    const { defaultFilters } = await server.control.configureFilters({ filters });
    expect(defaultFilters).toMatchObject(filters as object);
    expect(keys(await ofSession(server))).toEqual(expected);
    await server.control.configureFilters({ filters: { includeDeleted: true } });
    if (isList) await server.control.configureFilters({ patch: { add: { [message]: given } } });
    else await server.control.configureFilters({ patch: { [message]: given } });
    expect(keys(await ofRange(server))).toEqual(expected);
    await server.control.configureFilters({ filters: { includeDeleted: true } });

    const { stdout } = await runCommand([
      ...["decode", SAMPLE.folder, "--format", "ndjson", "--schema-version", "2"],
      ...[`--${flag}`, ...(isToggle ? [] : [value])],
    ]);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map((row) => row.ledger_sequence)).toEqual(
      everything.filter((row) => kind.selects(row, value)).map((row) => Number(row.ledger_sequence)),
    );
  }, 60_000);
}

test("the limits are the same by every way in", async () => {
  const holder = "MA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVAAAAAAAAAAAAAJLK"; // 69 characters, from SEP-23
  const many = Array.from({ length: 10_001 }, (_, n) => `A${n}`);
  for (const [filters, json, reason] of [
    [{ assetCodes: many }, { asset_codes: many }, "FILTER_TOO_LONG"],
    [{ contractIds: ["C".repeat(1000)] }, { contract_ids: ["C".repeat(1000)] }, "INVALID_FILTER"],
    [{ minBalance: String(2n ** 127n) }, { min_balance: String(2n ** 127n) }, "INVALID_FILTER"],
    [{ keyTypes: ["Vecs"] }, { key_types: ["Vecs"] }, "INVALID_FILTER"],
  ] as const) {
    const record = { code: "INVALID_ARGUMENT", reason };
    const request = { startLedger: 1, filters: filters as Init<Filters> };
    expect((await failureOf(server.control.startProcessing(request))).toRecord()).toMatchObject(record);
    const change = server.control.configureFilters({ filters: filters as Init<Filters> });
    expect((await failureOf(change)).toRecord()).toMatchObject(record);
    expect((await failureOf(ofRange(server, json))).toRecord()).toMatchObject(record);
  }
  const { defaultFilters } = await server.control.configureFilters({ filters: { balanceHolders: [holder] } });
  expect(defaultFilters!.balanceHolders).toEqual([holder]);
  expect(await ofRange(server, { balance_holders: [holder] })).toEqual([]);
}, 60_000);
