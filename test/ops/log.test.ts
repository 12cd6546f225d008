import { describe, expect, test } from "bun:test";
import { CodedError } from "../../src/error.ts";
import { createLogger, LOG_LEVELS, type LogOptions } from "../../src/ops/log.ts";

const TIME = new Date("2026-01-02T03:04:05.678Z");

function logged(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const output = { write: (line: string) => lines.push(line), isTTY: false };
  const log = createLogger({ level: "debug", output, now: () => TIME, ...options });
  return { log, lines, json: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe("json", () => {
  test("one object a line, with time, level, message and fields", () => {
    const { log, lines, json } = logged();
    log.info("session started", { session: "a", ledger: 5, big: 2n ** 60n, nothing: undefined, none: null });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.endsWith("\n")).toBe(true);
    expect(json()[0]).toEqual({
      time: "2026-01-02T03:04:05.678Z",
      level: "info",
      message: "session started",
      session: "a",
      ledger: 5,
      big: "1152921504606846976",
      none: null,
    });
  });

  test("LOG_LEVEL decides what is written", () => {
    for (const [index, level] of LOG_LEVELS.entries()) {
      const { log, json } = logged({ level });
      for (const each of LOG_LEVELS) log[each]("x");
      expect(json().map((line) => line.level)).toEqual(LOG_LEVELS.slice(index));
    }
  });

  test("a child adds its fields; a field cannot replace what the line says", () => {
    const { log, json } = logged();
    log.child({ session: "a" }).child({ worker: 1 }).warn("slow", { level: "fatal", message: "other" });
    expect(Object.keys(json()[0] ?? {}).slice(0, 3)).toEqual(["time", "level", "message"]);
    expect(json()[0]).toMatchObject({ session: "a", worker: 1, level: "warn", message: "slow" });
  });

  test("an error comes with code, reason, stack and its causes", () => {
    const { log, json } = logged();
    const cause = new Error("connection refused");
    log.error("session failed", { error: CodedError.received("UNAVAILABLE", "SOURCE_AWAY", "no source", { cause }) });
    const error = json()[0]?.error as Record<string, unknown>;
    expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "SOURCE_AWAY", message: "no source" });
    expect(error.stack).toContain("log.test.ts");
    expect(error.cause).toMatchObject({ name: "Error", message: "connection refused" });
  });

  test("an error that is its own cause ends", () => {
    const { log, json } = logged();
    const error = new Error("round");
    error.cause = error;
    log.error("x", { error });
    expect(json()).toHaveLength(1);
  });

  test("secrets never reach the output", () => {
    const { log, lines } = logged();
    log.info("connecting to postgres://user:hunter2@db/x", {
      password: "hunter2",
      db_password: "hunter2",
      nested: { Authorization: "Bearer hunter2", apiKey: "hunter2", api_key: "hunter2" },
      tls: [{ private_key: "hunter2" }],
      url: "https://user:hunter2@host/path",
      error: new Error("cannot open https://user:hunter2@host"),
    });
    expect(lines.join("")).not.toContain("hunter2");
  });

  test("a network passphrase and a ledger key are no secrets", () => {
    const { log, json } = logged();
    log.info("x", { network_passphrase: "Test SDF Network", ledger_key: "AAA" });
    expect(json()[0]).toMatchObject({ network_passphrase: "Test SDF Network", ledger_key: "AAA" });
  });

  test("long text is cut with its length, bytes are only counted, depth and loops end", () => {
    const { log, lines, json } = logged();
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    log.info("x", { text: "y".repeat(1_000_000), bytes: new Uint8Array(500), loop });
    expect(lines[0]!.length).toBeLessThan(20_000);
    expect(json()[0]?.text).toContain("1000000 characters");
    expect(json()[0]?.bytes).toBe("500 bytes");
  });
});

describe("pretty", () => {
  test("is the form on a terminal: one readable line", () => {
    const lines: string[] = [];
    const output = { write: (line: string) => lines.push(line), isTTY: true };
    createLogger({ level: "info", output, now: () => TIME }).info("ready", { address: "127.0.0.1:8816", rows: 5 });
    const plain = Bun.stripANSI(lines.join(""));
    expect(plain).toBe("03:04:05.678 INFO  ready address=127.0.0.1:8816 rows=5\n");
  });

  test("text from outside cannot move the cursor or make a line of its own", () => {
    const { log, lines } = logged({ format: "pretty" });
    log.warn("a\nb\x1b[2Jc", { value: "d\r\x1b]0;title\x07e\u009b31m" });
    const plain = Bun.stripANSI(lines.join(""));
    expect(plain.slice(0, -1)).not.toMatch(/\p{Cc}/u);
    expect(plain.endsWith("\n")).toBe(true);
  });
});
