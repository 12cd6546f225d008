/** Passwords: how wrong ones are slowed down, and that nobody is locked out. */
import { describe, expect, test } from "bun:test";
import { CodedError } from "../../src/error.ts";
import { passwordLine, readPasswords } from "../../src/security/password-hashes.ts";
import { Passwords } from "../../src/security/passwords.ts";
import { runCommand } from "../support/processor.ts";
import { basic, rawCall, startGuarded } from "./support.ts";

const [name, hash] = (await passwordLine("ann", "right:one")).split(/:(.*)/s) as [string, string];
const made = () => new Passwords([], [{ name, hash }]);
const RIGHT = { name: "ann", password: "right:one" };
const WRONG = { name: "ann", password: "wrong" };
const ended = (work: Promise<unknown>) =>
  work.then(
    () => "OK",
    (thrown) => CodedError.from(thrown).reason,
  );

describe("wrong passwords", () => {
  test("are slowed down for their address and name, and for nobody else", async () => {
    const passwords = made();
    const order: string[] = [];
    const attempt = async (label: string, address: string, login = RIGHT) => {
      const reason = await ended(passwords.check(login, address));
      order.push(`${label} ${reason}`);
    };
    for (let count = 0; count < 5; count++) await attempt("guess", "10.0.0.1", WRONG);
    const beganMs = performance.now();
    const slowed = attempt("sixth", "10.0.0.1", WRONG);
    await attempt("from elsewhere", "10.0.0.2");
    await slowed;
    expect(performance.now() - beganMs).toBeGreaterThan(1500); // 100 ms, doubled four times
    expect(order.slice(5)).toEqual(["from elsewhere OK", "sixth CREDENTIALS"]);
    await attempt("the user at that address", "10.0.0.1"); // has proved it elsewhere: waits for nothing
    expect(order.at(-1)).toBe("the user at that address OK");
  }, 30_000);

  test("at once are limited for an address, and a proved pair passes all the same", async () => {
    const passwords = made();
    await passwords.check(RIGHT, "10.0.0.3");
    const guess = (number: number) => ended(passwords.check({ ...WRONG, password: `guess ${number}` }, "10.0.0.3"));
    const guesses = Array.from({ length: 12 }, (_, number) => guess(number));
    expect(await ended(passwords.check(RIGHT, "10.0.0.3"))).toBe("OK");
    expect(await ended(passwords.check({ ...RIGHT, name: "bob" }, "10.0.0.4"))).toBe("CREDENTIALS");
    const reasons = await Promise.race([Promise.all(guesses.slice(8)), Bun.sleep(20_000)]);
    expect(reasons).toEqual(["LOGINS_MAX", "LOGINS_MAX", "LOGINS_MAX", "LOGINS_MAX"]);
  }, 30_000);

  test("that are right, and come with many calls at once, are checked once", async () => {
    const passwords = made();
    const calls = Array.from({ length: 40 }, () => ended(passwords.check(RIGHT, "10.0.0.6")));
    expect(new Set(await Promise.all(calls))).toEqual(new Set(["OK"]));
  });

  test("of unknown names and empty ones are refused alike", async () => {
    const passwords = made();
    const of = (login: typeof RIGHT) =>
      passwords.check(login, "10.0.0.5").catch((thrown) => CodedError.from(thrown).message);
    expect(await of({ name: "bob", password: "right:one" })).toBe("no such name and password");
    expect(await of({ name: "ann", password: "" })).toBe("no such name and password");
  });
});

test("the command hash-password makes lines that a server takes", async () => {
  const { exitCode, stdout } = await runCommand(["hash-password", "ann"], { stdin: Buffer.from("pass word\n") });
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^ann:\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(stdout).not.toContain("pass word");
  const path = `${process.env.TMPDIR ?? "/tmp"}/passwords-${process.pid}-${Date.now()}`;
  await Bun.write(path, stdout);
  await new Passwords([], readPasswords("PASSWORDS_FILE", path)).check({ name: "ann", password: "pass word" }, "::1");
  await Bun.write(path, stdout.replace("m=19456", "m=9999999"));
  expect(() => readPasswords("PASSWORDS_FILE", path)).toThrow("line 1");
  await Bun.file(path).delete();
  const empty = await runCommand(["hash-password", "ann"], { stdin: Buffer.from("\n") });
  expect(empty.exitCode).toBe(2);
}, 60_000);

test("a wrong password is refused by each listener, and neither it nor the right one is shown", async () => {
  await using server = await startGuarded().then((started) => ({
    ...started,
    [Symbol.asyncDispose]: () => started.close(),
  }));
  const { processor, passwords } = server;
  const { Client, credentials } = await import("@grpc/grpc-js");
  const texts: string[] = [];
  for (const [address, path] of [
    [processor.control, "contractdata.v1.ControlService/ListSessions"],
    [processor.flight, "arrow.flight.protocol.FlightService/ListFlights"],
    [processor.flight, "arrow.flight.protocol.FlightService/Handshake"],
  ] as const) {
    const client = new Client(address, credentials.createInsecure());
    const wrong = await rawCall(client, path, basic("reader", "s3cr3t-guess"));
    expect(wrong).toMatchObject({ code: "UNAUTHENTICATED", reason: "CREDENTIALS" });
    expect(await rawCall(client, path, basic("reader", passwords.reader))).toMatchObject({ code: "OK" });
    texts.push(wrong.message);
    client.close();
  }
  const page = await fetch(`http://${processor.http}/metrics`, { headers: basic("reader", "s3cr3t-guess") });
  expect(page.status).toBe(401);
  texts.push(await page.text(), processor.output());
  for (const text of texts) {
    expect(text).not.toContain("s3cr3t-guess");
    expect(text).not.toContain(passwords.reader);
  }
  expect(processor.output()).toContain('"name":"reader"');
}, 60_000);
