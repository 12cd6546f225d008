/** Credentials, by the two ways in which clients send them. */
import { describe, expect, test } from "bun:test";
import { Metadata } from "@grpc/grpc-js";
import { credentialOf } from "../../src/config/credentials.ts";
import { CodedError } from "../../src/error.ts";
import { BasicAuth } from "../../src/grpc/generated/flight.ts";
import { Gate } from "../../src/security/gate.ts";
import { identityOf } from "../../src/security/grant.ts";
import { pythonInterpreter } from "../clients/toolchain.ts";
import { accessOf } from "../support/access.ts";
import { serveFixture } from "./conformance-fixture.ts";

const DAY_MS = 86_400_000;
const none = new Uint8Array(0);
const headers = (entries: Record<string, string | Buffer>) => {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries)) metadata.set(key, value);
  return metadata;
};
const basic = (text: string) => headers({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });

const from = (metadata: Metadata) => ({ metadata, getPeer: () => "127.0.0.1:1" });

describe("basic credentials", () => {
  let now = 0;
  const refused: string[] = [];
  const gate = new Gate(
    accessOf({
      credentials: [credentialOf("ann", "pass:word"), credentialOf("eve", "x")],
      tokenTtlMs: DAY_MS,
      tokensMax: 3,
    }),
    ({ name }) => refused.push(name ?? "?"),
    () => now,
  );
  const login = (metadata: Metadata, payload: Uint8Array = none) => gate.login(from(metadata), payload);
  /** Who a call with these headers is of, or its error's code. */
  const caller = async (metadata: Metadata) => {
    const call = from(metadata);
    try {
      await gate.admit(call, "arrow.flight.protocol.FlightService/DoGet");
      return identityOf(call)?.name;
    } catch (thrown) {
      return CodedError.from(thrown).code;
    }
  };

  test("become a token that names who called, as long as it is valid", async () => {
    const token = await login(basic("ann:pass:word"));
    const bearer = headers({ authorization: `Bearer ${token}` });
    expect(await caller(bearer)).toBe("ann");
    expect(await caller(headers({ "auth-token-bin": Buffer.from(token) }))).toBe("ann");
    now += DAY_MS + 1;
    expect(await caller(bearer)).toBe("UNAUTHENTICATED");
    const payload = BasicAuth.encode({ username: "ann", password: "pass:word" });
    expect(await caller(headers({ authorization: `Bearer ${await login(new Metadata(), payload)}` }))).toBe("ann");
  });

  test("are accepted on each call too", async () => {
    expect(await caller(basic("ann:pass:word"))).toBe("ann");
    expect(await caller(basic("ann:pass"))).toBe("UNAUTHENTICATED");
  });

  test("give a name as many tokens as may be valid at once, and end nobody else's", async () => {
    const bearer = async (text: string) => headers({ authorization: `Bearer ${await login(basic(text))}` });
    const other = await bearer("ann:pass:word");
    const tokens = [await bearer("eve:x"), await bearer("eve:x"), await bearer("eve:x"), await bearer("eve:x")];
    expect(await Promise.all(tokens.map(caller))).toEqual(["UNAUTHENTICATED", "eve", "eve", "eve"]);
    expect(await caller(other)).toBe("ann");
  });

  test("that are wrong, and tokens that are not ours, are refused", async () => {
    refused.length = 0;
    for (const wrong of ["ann:wrong", "bob:pass:word", "ann", ":", "bob:"]) {
      expect(await login(basic(wrong)).catch((thrown) => CodedError.from(thrown).code), wrong).toBe("UNAUTHENTICATED");
    }
    expect(refused).toEqual(["ann", "bob", "?", "", "bob"]);
    expect(login(new Metadata(), Buffer.from("\xff\xff"))).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect(await caller(new Metadata())).toBe("UNAUTHENTICATED");
    expect(await caller(headers({ authorization: "Bearer x" }))).toBe("UNAUTHENTICATED");
  });
});

const python = await pythonInterpreter();
if (python.missing !== undefined) console.warn(`skipped: ${python.missing}`);

test.skipIf(python.command === undefined)("pyarrow logs in with authenticate_basic_token", async () => {
  const fixture = await serveFixture(true);
  const script = `
import sys, pyarrow.flight as fl
client = fl.connect("grpc://127.0.0.1:${fixture.port}")
try:
    list(client.do_action(fl.Action("", b"")))
    sys.exit("called without a token")
except fl.FlightUnauthenticatedError:
    pass
pair = client.authenticate_basic_token("arrow", "flight")
print([r.body.to_pybytes().decode() for r in client.do_action(fl.Action("", b""), fl.FlightCallOptions(headers=[pair]))])
`;
  const child = Bun.spawn([...python.command!, "-c", script], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  await fixture.close();
  expect(stdout.trim(), stderr).toBe("['arrow']");
});
