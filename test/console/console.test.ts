/** The console in a browser, against the real server: how it looks, what it does, who may do what, and that no text is code. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page, Route } from "playwright-core";
import { type GuardedServer, type Name, startGuarded } from "../security/support.ts";
import { ROOT, SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { chromiumPath, difference, launch, picture } from "./browser.ts";
import { frozen, frozenHistory } from "./frozen.ts";

const HOSTILE = `"><img src=x onerror="window.hit=1"><script>window.hit=1</script>`;
const MEAN_MAX = 4; // of 255: two pages of the same colours differ by 6
const HEIGHT_MAX = 0.12;
const WIDTH = 1100;

const RARE = "CB23WRDQWGSP6YPMY4UV5C4OW5CBTXKYN3XEATG7KJEZCXMJBYEHOUOV"; // the sample has one row of it
const executable = chromiumPath();
let server: GuardedServer;
let browser: Browser;
/** A session of schema version 2 that is over, and one that goes on for ever. */
let over: string;
let endless: string;
const faults: string[] = [];

beforeAll(async () => {
  server = await startGuarded({ LOG_LEVEL: "error", SOURCE_ENDPOINT: `repeat:${SAMPLE.folder}`, WORKER_COUNT: "2" });
  const start = async (body: object) => {
    const answer = await ask("/v1/sessions", "operator", "POST", body);
    expect(answer.status).toBe(200);
    return ((await answer.json()) as { id: string }).id;
  };
  const labels = { team: "a", note: HOSTILE };
  over = await start({ start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, schema_version: 2, labels });
  const filters = { contract_ids: [RARE], include_deleted: true }; // a row in seven ledgers
  endless = await start({ start_ledger: 1000, filters });
  await until(async () => (await session(over)).state === "STOPPED", "the end of a session");
  if (executable !== undefined) browser = await launch(executable);
}, 60_000);

afterAll(async () => {
  await browser?.close();
  await server.close();
});

const origin = () => `http://${server.processor.http}`;
const ask = (path: string, name: Name, method = "GET", body?: object, headers: Record<string, string> = {}) =>
  fetch(`${origin()}${path}`, {
    method,
    headers: { Authorization: `Bearer ${server.keys[name]}`, "Content-Type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });

interface Shown {
  id: string;
  state: string;
  request: { filter?: object; labels?: object };
}

async function session(id: string): Promise<Shown> {
  const { sessions } = (await (await ask("/v1/overview", "reader")).json()) as { sessions: Shown[] };
  return sessions.find((each) => each.id === id)!;
}

/** A page of somebody who has logged in; what it complains of is a fault. */
async function open(
  name: Name | undefined,
  hash = "",
  options: BrowserContextOptions = {},
  prepare: (page: Page) => Promise<void> = async () => {},
): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: WIDTH, height: 800 }, ...options });
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`${page.url()}: ${message.text()}`);
  });
  if (name !== undefined) {
    await page.addInitScript(`sessionStorage.setItem("authorization", "Bearer ${server.keys[name]}")`);
  }
  await prepare(page);
  await page.goto(`${origin()}/${hash}`);
  return page;
}

describe("changes over HTTP", () => {
  test("operators change sessions, readers do not, and each change is in the audit log", async () => {
    const started = await ask("/v1/sessions", "operator", "POST", { start_ledger: 1000, source: undefined });
    const { id } = (await started.json()) as { id: string };
    const filters = { filters: { asset_codes: ["AQUA"], include_deleted: true } };
    const changed = await ask(`/v1/sessions/${id}/filters`, "operator", "POST", filters);
    expect([changed.status, await changed.json()]).toMatchObject([200, { applied: [{ id }] }]);
    for (const [path, method, state] of [
      ["/stop", "POST", "STOPPED"],
      ["/resume", "POST", "RUNNING"],
      ["/stop", "POST", "STOPPED"],
    ] as const) {
      expect((await ask(`/v1/sessions/${id}${path}`, "reader", method)).status).toBe(403);
      expect((await ask(`/v1/sessions/${id}${path}`, "operator", method)).status).toBe(200);
      await until(async () => (await session(id)).state === state, state);
    }
    expect((await ask(`/v1/sessions/${id}`, "operator", "DELETE")).status).toBe(200);
    expect(await session(id)).toBeUndefined();
    await until(() => server.processor.output().includes("audit: DeleteSession"), "the audit log");
    for (const method of ["StartProcessing", "StopProcessing", "ResumeSession", "ConfigureFilters"]) {
      expect(server.processor.output()).toMatch(new RegExp(`audit: ${method}","who":"operator"`));
    }
  });

  test("admins change the level of the log", async () => {
    const { logLevel } = (await (await ask("/v1/overview", "reader")).json()) as { logLevel: string };
    expect(logLevel).toBe("error");
    expect((await ask("/v1/log-level", "operator", "POST", { level: "warn" })).status).toBe(403);
    expect(await (await ask("/v1/log-level", "admin", "POST", { level: "warn" })).json()).toEqual({ level: "warn" });
    expect((await ask("/v1/log-level", "admin", "POST", { level: "loud" })).status).toBe(400);
    expect((await ask("/v1/log-level", "admin", "POST", { level: "error" })).status).toBe(200);
  });

  test("a wrong request is refused with a reason, and so is a page of another site", async () => {
    for (const [body, reason] of [
      [{ start_ledger: "5" }, "KEY_INVALID"],
      [{ end_ledger: 5 }, "KEY_MISSING"],
      [{ start_ledger: 5, colour: "red" }, "KEY_UNKNOWN"],
      [{ start_ledger: 5, filters: { contract_ids: ["nobody"] } }, "INVALID_STRKEY"],
      [{ start_ledger: 5, end_ledger: 4 }, "LEDGER_RANGE_INVALID"],
      [{ start_ledger: 5, datasets: ["code"] }, "DATASET_UNKNOWN"],
    ] as const) {
      const answer = await ask("/v1/sessions", "operator", "POST", body);
      expect([answer.status, ((await answer.json()) as { error: { reason: string } }).error.reason]).toEqual([
        400,
        reason,
      ]);
    }
    const before = await session(endless);
    for (const [path, method, body] of [
      [`/v1/sessions/${endless}/filters`, "POST", { filters: { asset_codes: ["KALE"] }, colour: "red" }],
      [`/v1/sessions/${endless}/stop`, "POST", { drain: true }],
      [`/v1/sessions/${over}`, "DELETE", { force: true }],
      ["/v1/log-level", "POST", { level: "debug", colour: "red" }],
    ] as const) {
      const answer = await ask(path, "admin", method, body);
      expect([path, answer.status]).toEqual([path, 400]); // and nothing is done
    }
    expect((await session(over)).state).toBe("STOPPED");
    const after = await session(endless);
    expect([after.state, after.request]).toEqual(["RUNNING", before.request]);
    expect(await (await ask("/v1/overview", "reader")).json()).toMatchObject({ logLevel: "error" });
    for (const [name, value] of [
      ["Origin", "http://evil.example"],
      ["Sec-Fetch-Site", "cross-site"],
    ] as const) {
      expect((await ask(`/v1/sessions/${over}/stop`, "operator", "POST", {}, { [name]: value })).status).toBe(403);
    }
    expect((await ask("/v1/overview", "some-reader")).status).toBe(403);
  });
});

describe.skipIf(executable === undefined)("in a browser", () => {
  test("looks as it did, light and dark, wide and on a phone", async () => {
    const looks: [name: string, hash: string, options: BrowserContextOptions][] = [
      ["overview", "", { colorScheme: "light" }],
      ["overview-phone", "", { colorScheme: "dark", viewport: { width: 390, height: 844 } }],
      ["session", `#/sessions/${over}`, { colorScheme: "dark" }],
      ["rows", `#/sessions/${over}/rows?from=start&deleted=false`, { viewport: { width: WIDTH, height: 900 } }],
    ];
    const blank = await browser.newPage();
    const committed = (name: string) => join(ROOT, "docs", "console", `${name}.png`);
    await Promise.all(
      looks.map(async ([name, hash, options]) => {
        const page = await open("operator", hash, options, async (fresh) => {
          await fresh.route("**/v1/overview", (route) => fulfilled(route, (real) => frozen(real, [over, endless])));
          await fresh.route("**/v1/history", (route) => fulfilled(route, () => frozenHistory([over, endless])));
        });
        await page.locator("#state", { hasText: "ready" }).waitFor();
        await page.locator("#main section").first().waitFor();
        if (name === "rows") {
          await page.getByText("complete: every row has come").waitFor();
          await page.locator("tr[data-key] button").first().click();
        }
        const width = await page.evaluate("document.documentElement.scrollWidth");
        expect([name, width]).toEqual([name, options.viewport?.width ?? WIDTH]); // nothing sticks out
        const shot = await page.screenshot({ fullPage: true });
        await page.unrouteAll({ behavior: "ignoreErrors" });
        await page.close();
        if (process.env.UPDATE_SCREENSHOTS || !existsSync(committed(name))) writeFileSync(committed(name), shot);
        const { height, mean } = await difference(blank, picture(committed(name)), shot);
        const isSame = Math.abs(height - 1) < HEIGHT_MAX && mean < MEAN_MAX;
        expect([name, isSame], `${name}: height by ${height}, dots differ by ${mean}`).toEqual([name, true]);
      }),
    );
    const other = await difference(blank, picture(committed("overview")), picture(committed("rows")));
    expect(other.mean).toBeGreaterThan(MEAN_MAX); // what is compared can tell pages apart
    await blank.close();
  }, 60_000);

  test("what users wrote is text", async () => {
    const page = await open("reader", `#/sessions/${encodeURIComponent(HOSTILE)}`);
    await page.getByText("There is no session").waitFor();
    for (const hash of [
      "#/",
      `#/sessions/${over}`,
      `#/sessions/${over}/rows?from=start&text=${encodeURIComponent(HOSTILE)}`,
    ]) {
      await page.goto(`${origin()}/${hash}`);
      await page.locator("#state", { hasText: "ready" }).waitFor();
      await page.locator("#main section").first().waitFor();
      expect(await page.evaluate("[window.hit, document.querySelectorAll('#main img, #main script').length]")).toEqual([
        undefined,
        0,
      ]);
    }
    await page.goto(`${origin()}/#/`);
    await page.locator(".label", { hasText: HOSTILE }).waitFor();
    await page.close();
  }, 60_000);

  test("a key lets in; a reader sees no way to change anything, an operator starts, filters, stops and resumes", async () => {
    const reader = await open(undefined);
    await reader.locator("#login-secret").fill(server.keys.reader);
    await reader.keyboard.press("Enter");
    await reader.locator("article").first().waitFor();
    expect(await reader.getByText("Start a session").count()).toBe(0);
    await reader.goto(`${origin()}/#/sessions/${endless}`);
    await reader.getByRole("link", { name: "Live rows" }).waitFor();
    expect(await reader.getByRole("button", { name: "Stop" }).count()).toBe(0);
    await reader.close();
    faults.splice(0, faults.length, ...faults.filter((fault) => !fault.includes("401"))); // it has asked without a key
    const operator = await open("operator");
    await operator.getByLabel("First ledger").fill("2000");
    await operator.getByLabel("Filters as JSON (empty").fill("{KALE");
    await operator.getByRole("button", { name: "Start" }).click();
    await operator.getByText("the filters are not JSON").waitFor();
    await operator.getByLabel("Filters as JSON (empty").fill('{"asset_codes":["KALE"]}');
    const missed: string[] = [];
    operator.on("console", (message) => missed.push(message.text()));
    await operator.evaluate(`new MutationObserver(() => {
      if (document.body.textContent.includes("There is no session")) console.log("a session that is there is not found");
    }).observe(document.body, { childList: true, subtree: true })`);
    await operator.getByRole("button", { name: "Start" }).click();
    await operator.waitForURL(/#\/sessions\//);
    await operator.getByRole("button", { name: "Stop" }).waitFor();
    expect(missed).toEqual([]);
    const id = decodeURIComponent(operator.url().split("/sessions/")[1]!);
    await operator.getByLabel("Filters as JSON").fill('{"asset_codes":["AQUA"]}');
    await operator.getByRole("button", { name: "Change filters" }).click();
    await operator.getByText(/they apply from ledger \d+/).waitFor();
    await operator.getByRole("button", { name: "Stop" }).click();
    await operator.getByRole("dialog").getByRole("button", { name: "Stop" }).click();
    await operator.getByRole("button", { name: "Resume" }).click();
    await until(async () => (await session(id)).state === "RUNNING", "the session goes on");
    await operator.close();
  }, 60_000);

  test("rows come live, are filtered, paused and shown decoded, by keyboard alone; the address has it all", async () => {
    const page = await open("reader", `#/sessions/${over}/rows?from=start`);
    await page.getByText(`${SAMPLE.rows} rows have come`).waitFor();
    await page.getByLabel("Text in the row").focus();
    await page.keyboard.type("ledger_key_contract_instance");
    await page.getByText("complete: every row has come").waitFor();
    expect(page.url()).toContain("text=ledger_key_contract_instance");
    const drawn = () => page.locator("tr[data-key]").count();
    await until(async () => (await drawn()) < SAMPLE.rows, "fewer rows");
    const shown = await drawn();
    expect(shown).toBeGreaterThan(0);
    await page.locator("tr[data-key] button").first().focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Value" }).waitFor();
    expect(await page.locator("pre").last().textContent()).toContain("contract_instance");
    const copy = await open("reader", page.url().split("/").slice(3).join("/"));
    await until(
      async () => (await copy.locator("tr[data-key]").count()) === shown,
      "the same rows by the same address",
    );
    await copy.close();
    await page.goto(`${origin()}/#/sessions/${endless}/rows?from=start`);
    const number = async () =>
      Number((await page.getByText("rows have come").textContent())!.replace(/ rows.*|,/g, ""));
    await until(async () => (await number()) > 0, "rows of the session that goes on");
    await page.getByRole("button", { name: "Pause" }).press("Enter");
    await page.locator("#main .badge", { hasText: "paused" }).waitFor();
    const paused = await number();
    await page.getByRole("button", { name: "Continue" }).press("Enter");
    await until(async () => (await number()) > paused, "rows after the pause");
    await page.close();
  }, 60_000);

  test("while it is drawn anew, the focus and selected text stay where they are; by keyboard all of it can be reached", async () => {
    const page = await open("operator");
    await page.locator("article").first().waitFor();
    const drawnAnew = async () => {
      const answer = page.waitForResponse("**/v1/overview");
      await page.evaluate("window.dispatchEvent(new Event('changed'))");
      await answer;
      await page.evaluate("new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))");
    };
    const reached: string[] = [];
    while (reached.at(-1) !== "Start" && reached.length < 40) {
      await page.keyboard.press("Tab");
      await page.evaluate("window.focused = document.activeElement");
      await drawnAnew();
      const [isSame, name] = await page.evaluate<[boolean, string]>(
        "[window.focused === document.activeElement, document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent]",
      );
      expect([name, isSame]).toEqual([name, true]);
      reached.push(name);
    }
    expect(reached).toEqual(expect.arrayContaining(["Log out", "Streams and clients", "Sources", "Start"]));
    const selected = "String(window.getSelection())";
    await page.goto(`${origin()}/#/sessions/${over}`);
    await page.locator("code.id").selectText();
    await drawnAnew();
    expect(await page.evaluate<string>(selected)).toBe(over);
    await page.close();
  }, 60_000);

  test("a partition's rows can be chosen, and a refusal says why", async () => {
    const body = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, partitions: 2 };
    const { id } = (await (await ask("/v1/sessions", "operator", "POST", body)).json()) as { id: string };
    const page = await open("reader", `#/sessions/${id}`);
    await page.getByRole("link", { name: "Live rows" }).click();
    await page.getByLabel("Partition").selectOption("1");
    await page.waitForURL(/shard=1%2F2/);
    await page.goto(page.url().replace("shard", "from=start&shard"));
    await page.getByText("complete: every row has come").waitFor();
    const heard = faults.length;
    await page.goto(`${origin()}/#/sessions/${id}/rows`);
    await page.getByText(/shared out to 2 partitions/).waitFor();
    await page.goto(`${origin()}/#/sessions/%zz`);
    await page.getByText("There is no session %zz").waitFor();
    await page.close();
    const others = faults.splice(heard).filter((fault) => !fault.includes("409")); // the browser tells of each refusal
    expect(others).toEqual([]);
    await until(async () => (await session(id)).state === "STOPPED", "its end");
    expect((await ask(`/v1/sessions/${id}`, "operator", "DELETE")).status).toBe(200);
  }, 60_000);

  test("rows of ttl come live too", async () => {
    const datasets = ["contract_data", "ttl"];
    const body = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, datasets };
    const { id } = (await (await ask("/v1/sessions", "operator", "POST", body)).json()) as { id: string };
    const page = await open("reader", `#/sessions/${id}`);
    await page.getByRole("link", { name: "Live rows of ttl" }).click();
    await page.goto(`${origin()}/#/sessions/${id}/rows?from=start&dataset=ttl`);
    await page.getByText("124 rows have come").waitFor();
    await page.locator("tr[data-key]", { hasText: "lives until" }).first().waitFor();
    await page.close();
    await until(async () => (await session(id)).state === "STOPPED", "its end");
    expect((await ask(`/v1/sessions/${id}`, "operator", "DELETE")).status).toBe(200);
  }, 60_000);

  test("nothing was wrong on any page", () => {
    expect(faults).toEqual([]);
  });
});

async function fulfilled(route: Route, change: (real: object) => object): Promise<void> {
  const response = await route.fetch();
  await route.fulfill({ response, json: change((await response.json()) as object) });
}
