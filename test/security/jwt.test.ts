/** JWTs: which are accepted, which are refused, and what holds while the issuer is away. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Client, credentials } from "@grpc/grpc-js";
import { exportJWK, exportSPKI, generateKeyPair, type JWK, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { loadConfig } from "../../src/config/load.ts";
import { CodedError } from "../../src/error.ts";
import { readAccess } from "../../src/security/access.ts";
import { readKeyFile, remoteJwks } from "../../src/security/jwks.ts";
import { type JwtAccess, JwtVerifier } from "../../src/security/jwt.ts";
import { Certificates, contentOf, hasOpenssl } from "../support/certificates.ts";
import { until } from "../support/until.ts";
import { AUDIENCE, bearer, type GuardedServer, ISSUER, rawCall, startGuarded } from "./support.ts";

const ALGORITHMS = ["RS256", "ES256", "EdDSA"] as const;
const made = async (alg: string) => {
  const pair = await generateKeyPair(alg, { extractable: true });
  return { ...pair, jwk: { ...(await exportJWK(pair.publicKey)), kid: alg } as JWK };
};
const keys = Object.fromEntries(await Promise.all(ALGORITHMS.map(async (alg) => [alg, await made(alg)] as const)));
const set = { keys: Object.values(keys).map(({ jwk }) => jwk) };
const access: JwtAccess = { issuer: ISSUER, audience: AUDIENCE, keys: set, roleClaim: "realm.roles" };

interface Parts {
  alg?: string;
  kid?: string;
  key?: CryptoKey | Uint8Array;
  issuer?: string;
  audience?: string;
  expires?: string | number;
  claims?: JWTPayload;
}
function token({ alg = "ES256", kid = alg, key, issuer = ISSUER, audience = AUDIENCE, expires, claims }: Parts = {}) {
  return new SignJWT({ sub: "reader", ...claims })
    .setProtectedHeader({ alg, kid })
    .setIssuer(issuer)
    .setAudience(audience)
    .setExpirationTime(expires ?? "1h")
    .sign(key ?? keys[alg]!.privateKey);
}
const faultOf = async (verifier: JwtVerifier, jwt: string) => {
  try {
    await verifier.identityOf(jwt);
    return "accepted";
  } catch (thrown) {
    const { code, message } = CodedError.from(thrown);
    expect(message).not.toContain(jwt);
    return `${code}: ${message}`;
  }
};
const secondsAgo = (seconds: number) => Math.floor(Date.now() / 1000) - seconds;

describe("a JWT", () => {
  const verifier = new JwtVerifier(access);

  test.each(ALGORITHMS)("of %s proves a name", async (alg) => {
    expect(await verifier.identityOf(await token({ alg }))).toEqual({ name: "reader", role: undefined });
  });

  test("may have a role, the highest of several", async () => {
    const of = async (claims: JWTPayload) => (await verifier.identityOf(await token({ claims }))).role;
    expect(await of({ realm: { roles: ["viewer", "operator", "reader"] } })).toBe("operator");
    expect(await of({ "realm.roles": "admin" })).toBe("admin");
    expect(await of({ realm: { roles: ["root"] } })).toBeUndefined();
    expect(await of({ realm: "admin" })).toBeUndefined();
  });

  test("may have expired as long ago as clocks differ", async () => {
    expect(await faultOf(verifier, await token({ expires: secondsAgo(30) }))).toBe("accepted");
  });

  const refused: [string, () => Promise<string> | string, string][] = [
    ["without a signature", () => new UnsecuredJWT({ sub: "a" }).setIssuer(ISSUER).encode(), "algorithm"],
    ["signed with the public key as a secret", publicKeyAsSecret, "algorithm"],
    ["of another issuer", () => token({ issuer: "https://evil.example" }), "iss"],
    ["for another audience", () => token({ audience: "other" }), "aud"],
    ["of another key under the same id", async () => token({ key: (await made("ES256")).privateKey }), "signature"],
    ["of a key that is not known", () => token({ kid: "unknown" }), "key"],
    ["that has expired", () => token({ expires: secondsAgo(3600) }), "expired"],
    ["that is not valid yet", () => token({ claims: { nbf: secondsAgo(-3600) } }), "nbf"],
    ["without a name", () => token({ claims: { sub: undefined } }), "sub"],
    ["with a name that is no text", () => token({ claims: { sub: ["admin"] as never } }), "sub"],
    ["with an empty name", () => token({ claims: { sub: "" } }), "sub"],
    ["that never expires", neverExpires, "exp"],
    ["that is cut", async () => (await token()).slice(0, -10), "signature"],
    ["that is none", () => "a.b.c", "malformed"],
  ];
  test.each(refused)("%s is refused", async (_, jwt, why) => {
    const fault = await faultOf(verifier, await jwt());
    expect(fault).toStartWith("UNAUTHENTICATED: ");
    expect(fault).toContain(why);
  });
});

async function publicKeyAsSecret(): Promise<string> {
  const secret = new TextEncoder().encode(await exportSPKI(keys.RS256!.publicKey));
  return token({ alg: "HS256", kid: "RS256", key: secret });
}

function neverExpires(): Promise<string> {
  const jwt = new SignJWT({ sub: "reader" }).setProtectedHeader({ alg: "ES256", kid: "ES256" });
  return jwt.setIssuer(ISSUER).setAudience(AUDIENCE).sign(keys.ES256!.privateKey);
}

describe("keys behind a URL", () => {
  let served: unknown = set;
  let asked = 0;
  const issuer = () =>
    Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => {
        asked++;
        return served === undefined ? new Response("away", { status: 503 }) : Response.json(served);
      },
    });

  test("are read again for a key that is new, and not for each stranger's", async () => {
    using server = issuer();
    let nowMs = 0;
    const jwks = remoteJwks(`${server.url}`, undefined, () => nowMs);
    const verifier = new JwtVerifier(access, jwks);
    expect(await faultOf(verifier, await token())).toBe("accepted");
    const next = await made("ES256");
    const rotated = await token({ kid: "next", key: next.privateKey });
    expect(await faultOf(verifier, rotated)).toContain("UNAUTHENTICATED");
    served = { keys: [{ ...next.jwk, kid: "next" }] };
    nowMs += 11_000;
    expect(await faultOf(verifier, rotated)).toBe("accepted");
    expect(await faultOf(verifier, await token())).toContain("UNAUTHENTICATED"); // its key has been taken back
    const before = asked;
    for (let count = 0; count < 50; count++) await faultOf(verifier, await token({ kid: `made up ${count}` }));
    expect(asked - before).toBeLessThanOrEqual(1);
    served = undefined; // the issuer is away: what was read last holds
    nowMs += 3_600_000;
    await faultOf(verifier, await token({ kid: "asks for a reading" }));
    expect(await faultOf(verifier, rotated)).toBe("accepted");
    verifier.close();
  });

  test("that were never read are waited for by asking again", async () => {
    using server = issuer();
    served = undefined;
    let nowMs = 0;
    const verifier = new JwtVerifier(
      access,
      remoteJwks(`${server.url}`, undefined, () => nowMs),
    );
    expect(await faultOf(verifier, await token())).toStartWith("UNAVAILABLE: ");
    served = set;
    nowMs += 11_000;
    expect(await faultOf(verifier, await token())).toBe("accepted");
    verifier.close();
  });

  test.skipIf(!hasOpenssl())("come over https from an issuer with a private authority, and from no other", async () => {
    const certificates = new Certificates();
    const tls = contentOf(certificates.issue("issuer"));
    const fetch = () => Response.json(set);
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", tls, fetch });
    const keys = `https://127.0.0.1:${server.port}/`;
    const other = certificates.authority("other").cert;
    const env = { JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE, JWT_JWKS_URL: keys };
    for (const [file, end] of [
      [certificates.ca.cert, "accepted"],
      [other, "UNAVAILABLE"],
      ["", "UNAVAILABLE"],
    ] as const) {
      const { jwt } = readAccess(loadConfig({ env: { ...env, JWT_CA_FILE: file } }).values).control!;
      const verifier = new JwtVerifier(jwt!);
      expect([file, (await faultOf(verifier, await token())).split(":")[0]]).toEqual([file, end]);
      verifier.close();
    }
    const plain = loadConfig({ env: { ...env, JWT_JWKS_URL: "http://127.0.0.1/", JWT_CA_FILE: other } }).values;
    expect(() => readAccess(plain)).toThrow("JWT_CA_FILE is for a JWT_JWKS_URL that begins with https");
    certificates.remove();
  });

  test("that the issuer has taken back are gone with the next reading", async () => {
    using server = issuer();
    served = set;
    const verifier = new JwtVerifier(access, remoteJwks(`${server.url}`, undefined, undefined, 20));
    expect(await faultOf(verifier, await token())).toBe("accepted");
    served = { keys: [keys.RS256!.jwk] };
    const jwt = await token();
    await until(async () => (await faultOf(verifier, jwt)).startsWith("UNAUTHENTICATED"), "the end of the key");
    verifier.close();
  });
});

test("a key file may be a JWK set, a JWK or PEM, and what is private stays out of memory", async () => {
  const path = `${process.env.TMPDIR ?? "/tmp"}/issuer-${process.pid}-${Date.now()}`;
  const pair = keys.ES256!;
  for (const text of [
    JSON.stringify(set),
    JSON.stringify(await exportJWK(pair.privateKey)),
    await exportSPKI(pair.publicKey),
  ]) {
    await Bun.write(path, text);
    const read = readKeyFile("JWT_KEY_FILE", path);
    expect(read.keys.some((key) => "d" in key)).toBe(false);
    expect(await faultOf(new JwtVerifier({ ...access, keys: read }), await token())).toBe("accepted");
  }
  await Bun.write(path, '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}');
  expect(() => readKeyFile("JWT_KEY_FILE", path)).toThrow("has no public key");
  await Bun.file(path).delete();
});

describe("at the server", () => {
  let server: GuardedServer;
  beforeAll(async () => {
    server = await startGuarded({ JWT_ROLE_CLAIM: "role" });
  }, 60_000);
  afterAll(() => server.close());

  const LIST = "contractdata.v1.ControlService/ListSessions";
  const START = "contractdata.v1.ControlService/StartProcessing";

  test("a token of 10 kB is taken by every listener, and one of 100 kB is refused with a status", async () => {
    const large = await server.jwt({ sub: "reader", groups: "x".repeat(7000) });
    expect(large.length).toBeGreaterThan(9_500);
    const huge = await server.jwt({ sub: "reader", groups: "x".repeat(75_000) });
    for (const [address, path] of [
      [server.processor.control, LIST],
      [server.processor.flight, "arrow.flight.protocol.FlightService/ListFlights"],
    ] as const) {
      const client = new Client(address, credentials.createInsecure());
      expect(await rawCall(client, path, bearer(large))).toMatchObject({ code: "OK" });
      expect((await rawCall(client, path, bearer(huge))).code).not.toBe("OK");
      expect(await rawCall(client, path, bearer(server.keys.reader))).toMatchObject({ code: "OK" });
      client.close();
    }
    const status = async (jwt: string) =>
      (await fetch(`http://${server.processor.http}/metrics`, { headers: bearer(jwt) })).status;
    expect(await status(large)).toBe(200);
    expect(await status(huge)).toBeGreaterThanOrEqual(400);
    expect(await status(server.keys.reader)).toBe(200);
    expect(server.processor.output()).not.toContain(large.slice(0, 40));
  }, 60_000);

  test("a role of a claim holds, and ACCESS_FILE's entry for the name comes first", async () => {
    const client = new Client(server.processor.control, credentials.createInsecure());
    const start = async (claims: JWTPayload) => (await rawCall(client, START, bearer(await server.jwt(claims)))).reason;
    expect(await start({ sub: "somebody", role: "operator" })).toBe("START_LEDGER_MISSING");
    expect(await start({ sub: "somebody", role: "reader" })).toBe("ROLE");
    expect(await start({ sub: "somebody" })).toBe("ROLE");
    expect(await start({ sub: "reader", role: "admin" })).toBe("ROLE");
    client.close();
  });
});
