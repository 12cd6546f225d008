/** Who may read rows over HTTP: the same as over Flight; and addresses that carry their credentials. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { CodedError } from "../../src/error.ts";
import { ROW_TICKET_TTL_MS, RowTickets } from "../../src/rows/row-tickets.ts";
import { CONTRACT, type GuardedServer, type Name, OTHER_CONTRACT, startGuarded } from "../security/support.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";

const RANGE = `/v1/rows?start_ledger=${SAMPLE.first}&end_ledger=${SAMPLE.last}`;
const ENDLESS = `/v1/rows?start_ledger=${SAMPLE.first}&end_ledger=0&format=sse`;

let server: GuardedServer;
beforeAll(async () => {
  server = await startGuarded({ LOG_LEVEL: "error", SOURCE_ENDPOINT: `repeat:${SAMPLE.folder}` });
}, 60_000);
afterAll(() => server.close());

const ask = (path: string, name?: Name, init: RequestInit = {}) =>
  fetch(`http://${server.processor.http}${path}`, {
    ...init,
    headers: name === undefined ? {} : { Authorization: `Bearer ${server.keys[name]}` },
  });

async function refusal(response: Response): Promise<[number, string]> {
  const { error } = (await response.json()) as { error: { reason: string } };
  return [response.status, error.reason];
}

test("keys, passwords and roles hold as over Flight", async () => {
  expect(await refusal(await ask(RANGE))).toEqual([401, "CREDENTIALS"]);
  expect(await refusal(await ask(RANGE, "unlisted"))).toEqual([403, "ROLE"]);
  expect((await ask(RANGE, "reader")).status).toBe(200);
  const basic = Buffer.from(`reader:${server.passwords.reader}`).toString("base64");
  const headers = { Authorization: `Basic ${basic}` };
  expect((await fetch(`http://${server.processor.http}${RANGE}`, { headers })).status).toBe(200);
  expect(await refusal(await ask(RANGE, "some-reader"))).toEqual([403, "SCOPE"]);
  expect((await ask(`${RANGE}&contract_ids=${CONTRACT}`, "some-reader")).status).toBe(200);
  expect(await refusal(await ask(`${RANGE}&contract_ids=${CONTRACT},${OTHER_CONTRACT}`, "some-reader"))).toEqual([
    403,
    "SCOPE",
  ]);
  const labels = new Map([["team", "b"]]);
  const ledgers = { startLedger: SAMPLE.first, endLedger: SAMPLE.last };
  const { sessionId } = await server.control("operator").startProcessing({ ...ledgers, labels });
  expect(await refusal(await ask(`/v1/sessions/${sessionId}/rows`, "some-reader"))).toEqual([403, "SCOPE"]);
  expect((await ask(`/v1/sessions/${sessionId}/rows`, "reader")).status).toBe(200);
  expect((await ask("/openapi.json")).status).toBe(200);
});

test("a name has so many streams at once, and room again when one ends", async () => {
  const first = await ask(ENDLESS, "small-operator");
  expect(first.status).toBe(200);
  expect(await refusal(await ask(ENDLESS, "small-operator"))).toEqual([429, "NAME_LIMIT"]);
  await first.body?.cancel();
  const second = await until(async () => {
    const response = await ask(ENDLESS, "small-operator");
    return response.status === 200 ? response : undefined;
  }, "room for a stream");
  await second.body?.cancel();
});

test("an address with a ticket opens what it was given for, and nothing else", async () => {
  const given = await ask(`${RANGE}&contract_ids=${CONTRACT}&format=csv`, "some-reader", { method: "POST" });
  expect(given.status).toBe(201);
  const { url, expires_at } = (await given.json()) as { url: string; expires_at: string };
  expect(Date.parse(expires_at)).toBeGreaterThan(Date.now());
  const open = await ask(url);
  expect([open.status, open.headers.get("content-type")]).toEqual([200, "text/csv; charset=utf-8; header=present"]);
  const cursor = open.headers.get("cursor")!;
  expect((await ask(`${url}&from=${cursor}`)).status).toBe(200);
  const ticket = new URL(url, "http://server").searchParams.get("ticket")!;
  for (const other of [
    url.replace(CONTRACT, OTHER_CONTRACT),
    `${url}&columns=contract_id`,
    `/v1/sessions/any/rows?ticket=${ticket}`,
    `${url}x`,
  ]) {
    expect(await refusal(await ask(other))).toEqual([403, "TICKET_SIGNATURE"]);
  }
  expect((await ask(`/metrics?ticket=${ticket}`)).status).toBe(403);
  expect(await refusal(await ask(RANGE, undefined, { method: "POST" }))).toEqual([401, "CREDENTIALS"]);
  const ofFlight = Buffer.from(JSON.stringify({ session: "any" })).toString("base64url");
  expect(await refusal(await ask(`${RANGE}&ticket=${ofFlight}`))).toEqual([403, "TICKET_SIGNATURE"]);
});

test("a ticket ends after its time, and does not outlive its key", () => {
  let now = 1_700_000_000_000;
  const tickets = new RowTickets(randomBytes(32), () => now);
  const address = new URL("http://server/v1/rows?start_ledger=1&end_ledger=2");
  const identity = { name: "a", role: "reader", proof: { name: "a" } } as const;
  const { url } = tickets.issue(address, identity);
  const opened = new URL(url, address);
  expect(tickets.identityOf(opened)).toEqual(identity);
  expect(tickets.identityOf(address)).toBeUndefined();
  const reasonOf = (by: RowTickets) => {
    try {
      by.identityOf(opened);
    } catch (thrown) {
      return CodedError.from(thrown).reason;
    }
  };
  expect(reasonOf(new RowTickets(randomBytes(32), () => now))).toBe("TICKET_SIGNATURE");
  now += ROW_TICKET_TTL_MS + 1;
  expect(reasonOf(tickets)).toBe("TICKET_EXPIRED");
});
