/** Files of credentials and roles that change while the server runs. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { loadConfig } from "../../src/config/load.ts";
import { connectControl } from "../../src/control/client.ts";
import { CodedError } from "../../src/error.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { newApiKey } from "../../src/security/api-keys.ts";
import { passwordLine } from "../../src/security/password-hashes.ts";
import { AccessFiles } from "../../src/server/access-files.ts";
import { openSource } from "../../src/sources/open.ts";
import { type LocalServer, type LogLine, localServer } from "../support/local-server.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { basic, bearer } from "./support.ts";

// Of the sample, with most of its rows, and some.
const CONTRACT = "CDL74RF5BLYR2YBLCCI7F5FB6TPSCLKEJUBSD2RSVWZ4YHF3VMFAIGWA";
const OTHER_CONTRACT = "CALI2BYU2JE6WVRUFYTS6MSBNEHGJ35P4AVCZYF3B6QOE3QKOB2PLE6M";

const folder = mkdtempSync(join(tmpdir(), "renewed-"));
const RARE_CONTRACT = "CB23WRDQWGSP6YPMY4UV5C4OW5CBTXKYN3XEATG7KJEZCXMJBYEHOUOV";
const files = { API_KEYS_FILE: "keys", PASSWORDS_FILE: "passwords", ACCESS_FILE: "access.json" } as const;
type File = keyof typeof files;
const write = (file: File, text: string) => writeFileSync(join(folder, files[file]), text);
const NAMES = ["stays", "leaves", "less", "more"] as const;
const keys = Object.fromEntries(NAMES.map((name) => [name, newApiKey(name)])) as Record<
  (typeof NAMES)[number],
  ReturnType<typeof newApiKey>
>;
const ann = { old: "old:word", new: "new word" };
const annLines = { old: await passwordLine("ann", ann.old), new: await passwordLine("ann", ann.new) };
const bob = await passwordLine("bob", "bob's");

const linesOf = (...names: (typeof NAMES)[number][]) => names.map((name) => `${keys[name].line}\n`).join("");
const grants = (contracts: { less: string[]; more: string[] }, names = {}) =>
  JSON.stringify({
    names: {
      ...names,
      less: { role: "reader", contract_ids: contracts.less },
      more: { role: "reader", contract_ids: contracts.more },
    },
    others: { role: "reader" },
  });

function writeFirst(): void {
  write("API_KEYS_FILE", linesOf(...NAMES));
  write("PASSWORDS_FILE", `${annLines.old}\n${bob}\n`);
  write("ACCESS_FILE", grants({ less: [CONTRACT, OTHER_CONTRACT], more: [CONTRACT] }));
}

const ended = (work: Promise<unknown>) =>
  work.then(
    () => "OK",
    (thrown) => `${CodedError.from(thrown).code} / ${CodedError.from(thrown).reason}`,
  );

let server: LocalServer;
const log: LogLine[] = [];

beforeAll(async () => {
  writeFirst();
  const config = loadConfig({ env: { SOURCE_ENDPOINT: `repeat:${SAMPLE.folder}` } }).values;
  const settings = Object.entries(files).map(([name, file]) => [
    name.toLowerCase().replaceAll("_", "-"),
    join(folder, file),
  ]);
  server = await localServer(await openSource(config.sourceEndpoint, { peer: {} }), Object.fromEntries(settings), log, {
    accessLookMs: 20,
  });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const control = (token: string) => connectControl(server.address, { token });
const calls = async (token: string) => {
  const client = control(token);
  try {
    return await ended(client.listSessions({}));
  } finally {
    client.close();
  }
};
const renewals = () => log.filter(({ message }) => message.startsWith("new files of credentials")).length;

/** A client that reads without an end. */
async function reading(client: FlightClient, contract?: string) {
  const filters = contract === undefined ? {} : { contract_ids: [contract] };
  const ticket = Buffer.from(JSON.stringify({ start_ledger: SAMPLE.first, end_ledger: 0, batch_size: 50, filters }));
  const batches = client.doGet(ticket);
  await batches.next();
  const state = { rows: 0, end: "" };
  const end = (async () => {
    for (;;) {
      const { done, value } = await batches.next();
      if (done) return;
      state.rows += value.metadata.rows;
      await Bun.sleep(20); // some rows will do
    }
  })();
  void ended(end).then((how) => {
    state.end = how;
  });
  return Object.assign(state, { close: () => client.close() });
}

test("a name that is taken out is refused, its streams end, and all others go on", async () => {
  const flightOf = (token: string) =>
    new FlightClient(`127.0.0.1:${server.processor.addresses.flight.port}`, { token });
  const loggedIn = async (name: string, password: string) => {
    const client = new FlightClient(`127.0.0.1:${server.processor.addresses.flight.port}`);
    await client.login(name, password);
    return client;
  };
  const streams = {
    stays: await reading(flightOf(keys.stays.key)),
    leaves: await reading(flightOf(keys.leaves.key)),
    less: await reading(flightOf(keys.less.key), CONTRACT),
    more: await reading(flightOf(keys.more.key), CONTRACT),
    ann: await reading(await loggedIn("ann", ann.old)),
    bob: await reading(await loggedIn("bob", "bob's")),
  };
  const watcher = control(keys.leaves.key);
  const watch = watcher.watchSession({});
  const watchEnds = new Promise((resolve) => watch.on("error", (error: grpc.ServiceError) => resolve(error.code)));
  const http = `http://127.0.0.1:${server.processor.addresses.http.port}`;
  const page = async (headers: Record<string, string>) => (await fetch(`${http}/metrics`, { headers })).status;
  const endless = `${http}/v1/rows?start_ledger=${SAMPLE.first}&end_ledger=0&format=sse&contract_ids=${RARE_CONTRACT}`;
  const events = await fetch(endless, { headers: bearer(keys.leaves.key) });
  const ticket = await fetch(endless, { headers: bearer(keys.leaves.key), method: "POST" });
  const { url } = (await ticket.json()) as { url: string };
  expect(await page(basic("ann", ann.old))).toBe(200);
  expect(await page(bearer(keys.leaves.key))).toBe(200);

  write("API_KEYS_FILE", linesOf("stays", "less", "more"));
  write("PASSWORDS_FILE", `${annLines.new}\n${bob}\n`);
  write("ACCESS_FILE", grants({ less: [OTHER_CONTRACT], more: [CONTRACT, OTHER_CONTRACT] }));
  const ends = () => Object.fromEntries(Object.entries(streams).map(([name, { end }]) => [name, end]));
  await until(() => [streams.leaves, streams.ann, streams.less].every(({ end }) => end !== ""), "the ends");
  expect(ends()).toEqual({
    ...{ stays: "", bob: "", more: "" },
    leaves: "UNAUTHENTICATED / CREDENTIALS",
    ann: "UNAUTHENTICATED / CREDENTIALS",
    less: "PERMISSION_DENIED / SCOPE",
  });
  expect(await watchEnds).toBe(grpc.status.UNAUTHENTICATED);
  watcher.close();
  expect((await events.text()).slice(-1000)).toContain("CREDENTIALS");
  expect((await fetch(`${http}${url}`)).status).toBe(401);
  const [stays, more, bobs] = [streams.stays.rows, streams.more.rows, streams.bob.rows];
  await until(() => streams.stays.rows > stays && streams.more.rows > more && streams.bob.rows > bobs, "more rows");
  expect(ends()).toMatchObject({ stays: "", bob: "", more: "" });
  for (const { close } of Object.values(streams)) close();

  expect(await calls(keys.leaves.key)).toBe("UNAUTHENTICATED / CREDENTIALS");
  expect(await calls(keys.stays.key)).toBe("OK");
  expect(await page(bearer(keys.leaves.key))).toBe(401);
  expect(await page(basic("ann", ann.old))).toBe(401);
  expect(await page(basic("ann", ann.new))).toBe(200);
  expect(await page(basic("bob", "bob's"))).toBe(200);
}, 60_000);

test("a broken file changes nothing, and the log and a metric say so until it is mended", async () => {
  writeFirst();
  const before = renewals();
  await until(() => renewals() > before, "the files from before");
  const metric = async () => {
    const http = `http://127.0.0.1:${server.processor.addresses.http.port}/metrics`;
    const page = await (await fetch(http, { headers: bearer(keys.stays.key) })).text();
    return Number(/^contract_data_access_files_unusable (\d)$/m.exec(page)?.[1]);
  };
  expect(await metric()).toBe(0);
  write("ACCESS_FILE", '{"names":{"leaves":{"role":"king"}}}');
  const told = () =>
    log.filter(({ level, why }) => level === "error" && String(why).includes('names.leaves.role "king"'));
  await until(() => told().length > 0, "a line about it");
  expect(await metric()).toBe(1);
  expect(await calls(keys.leaves.key)).toBe("OK");
  write("API_KEYS_FILE", "");
  await until(() => log.some(({ why }) => String(why).includes("is empty")), "a line about the other");
  write("API_KEYS_FILE", linesOf(...NAMES));
  writeFirst();
  await until(async () => (await metric()) === 0, "the end of it");
  expect(told()).toHaveLength(1);
}, 60_000);

test("a file that is being written is not taken for the whole", () => {
  writeFirst();
  const { values } = loadConfig({
    env: { API_KEYS_FILE: join(folder, files.API_KEYS_FILE), ACCESS_FILE: join(folder, files.ACCESS_FILE) },
  });
  const quiet = { info() {}, warn() {}, error() {}, debug() {} };
  const access = new AccessFiles(values, quiet as never, 3_600_000);
  const seen: number[] = [];
  access.onRenewed(({ control }) => seen.push(control!.keys.length));
  write("API_KEYS_FILE", linesOf("stays"));
  access.look();
  write("API_KEYS_FILE", linesOf("stays", "leaves"));
  access.look();
  expect(seen).toEqual([]);
  access.look();
  access.look();
  expect(seen).toEqual([2]);
  access.close();
});
