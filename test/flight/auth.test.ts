/** Credentials, by the two ways in which clients send them. */
import { describe, expect, test } from "bun:test";
import { Metadata } from "@grpc/grpc-js";
import { credentialOf } from "../../src/config/credentials.ts";
import { CodedError } from "../../src/error.ts";
import { BasicAuth } from "../../src/grpc/generated/flight.ts";
import { BasicAuthenticator } from "../../src/security/auth.ts";
import { pythonInterpreter } from "../clients/toolchain.ts";
import { serveFixture } from "./conformance-fixture.ts";

const DAY_MS = 86_400_000;
const none = new Uint8Array(0);
const headers = (entries: Record<string, string | Buffer>) => {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries)) metadata.set(key, value);
  return metadata;
};
const basic = (text: string) => headers({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (thrown) {
    return CodedError.from(thrown).code;
  }
  return "none";
}

describe("basic credentials", () => {
  let now = 0;
  const authenticator = new BasicAuthenticator([credentialOf("ann", "pass:word"), credentialOf("eve", "x")], {
    tokenTtlMs: DAY_MS,
    tokensMax: 3,
    nowMs: () => now,
  });

  test("become a token that names who called, as long as it is valid", () => {
    const { token } = authenticator.login(basic("ann:pass:word"), none);
    const bearer = headers({ authorization: `Bearer ${token}` });
    expect(authenticator.identify(bearer)).toBe("ann");
    expect(authenticator.identify(headers({ "auth-token-bin": Buffer.from(token) }))).toBe("ann");
    now += DAY_MS + 1;
    expect(codeOf(() => authenticator.identify(bearer))).toBe("UNAUTHENTICATED");
    const payload = BasicAuth.encode({ username: "ann", password: "pass:word" });
    expect(authenticator.login(new Metadata(), payload).identity).toBe("ann");
  });

  test("give a name as many tokens as may be valid at once, and end nobody else's", () => {
    const bearer = (text: string) =>
      headers({ authorization: `Bearer ${authenticator.login(basic(text), none).token}` });
    const other = bearer("ann:pass:word");
    const tokens = [1, 2, 3, 4].map(() => bearer("eve:x"));
    expect(tokens.map((each) => codeOf(() => authenticator.identify(each)))).toEqual([
      "UNAUTHENTICATED",
      ...["none", "none", "none"],
    ]);
    expect(authenticator.identify(other)).toBe("ann");
  });

  test("that are wrong, and tokens that are not ours, are refused", () => {
    for (const wrong of ["ann:wrong", "bob:pass:word", "ann", ":", "bob:"]) {
      expect(
        codeOf(() => authenticator.login(basic(wrong), none)),
        wrong,
      ).toBe("UNAUTHENTICATED");
    }
    expect(codeOf(() => authenticator.login(new Metadata(), Buffer.from("\xff\xff")))).toBe("UNAUTHENTICATED");
    expect(codeOf(() => authenticator.identify(new Metadata()))).toBe("UNAUTHENTICATED");
    expect(codeOf(() => authenticator.identify(headers({ authorization: "Bearer x" })))).toBe("UNAUTHENTICATED");
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
