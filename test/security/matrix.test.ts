/** Every method of every listener × every role × every kind of credential, at the real server. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { connectControl } from "../../src/control/client.ts";
import { ContractDataService } from "../../src/grpc/generated/contract-data-service.ts";
import { ContractDataService as StellarContractDataService } from "../../src/grpc/generated/contract-data-service-stellar.ts";
import { ControlService } from "../../src/grpc/generated/control.ts";
import { FlightService } from "../../src/grpc/generated/flight.ts";
import { Health } from "../../src/grpc/generated/health.ts";
import { ServerReflection } from "../../src/grpc/generated/reflection-v1.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../src/grpc/generated/reflection-v1alpha.ts";
import { clientCredentials } from "../../src/grpc/tls-credentials.ts";
import { PATHS } from "../../src/ops/app.ts";
import { openApi } from "../../src/rows/open-api.ts";
import { Certificates, contentOf, hasOpenssl, type KeyPair } from "../support/certificates.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { basic, bearer, type GuardedServer, type Name, rawCall, startGuarded } from "./support.ts";

/** What each method asks for, by its name or, where names repeat, with its service's. Written by hand: a new one has to be added. */
const ASKS: Readonly<Record<string, "nothing" | "reader" | "whole reader" | "operator" | "whole operator" | "admin">> =
  {
    StartProcessing: "whole operator", // without a label
    StopProcessing: "operator",
    ConfigureFilters: "whole operator", // without a session
    ResumeSession: "operator",
    DeleteSession: "operator",
    SetLogLevel: "admin",
    ListNodes: "reader",
    GetStatus: "reader",
    GetMetrics: "reader",
    ListSessions: "reader",
    GetSession: "reader",
    WatchSession: "whole reader", // without a session
    GetServiceInfo: "reader",
    GetFilterConfig: "reader",
    UpdateFilterConfig: "whole operator",
    ListFlights: "reader",
    GetFlightInfo: "reader",
    PollFlightInfo: "reader",
    GetSchema: "reader",
    DoGet: "reader",
    DoPut: "reader",
    DoExchange: "reader",
    DoAction: "reader",
    ListActions: "reader",
    Check: "nothing",
    Watch: "nothing",
    ServerReflectionInfo: "reader",
    "/livez": "nothing",
    "/ready": "nothing",
    "/readyz": "nothing",
    "/health": "whole reader",
    "/metrics": "whole reader",
    "/": "nothing",
    "/console/console.js": "nothing",
    "/openapi.json": "nothing",
    "/status.json": "whole reader",
    "/v1/overview": "whole reader",
    "/v1/history": "whole reader",
    "/v1/rows": "reader",
    "POST /v1/rows": "reader",
    "/v1/sessions/{id}/rows": "reader",
    "POST /v1/sessions/{id}/rows": "reader",
    "POST /v1/sessions": "operator", // without a body
    "DELETE /v1/sessions/{id}": "operator",
    "POST /v1/sessions/{id}/stop": "operator",
    "POST /v1/sessions/{id}/resume": "operator",
    "POST /v1/sessions/{id}/filters": "operator",
    "POST /v1/log-level": "admin",
  };

const CONTROL_PORT = [ControlService, ContractDataService, StellarContractDataService];
const BOTH_PORTS = [Health, ServerReflection, ServerReflectionAlpha];
const methodsOf = (services: readonly (typeof CONTROL_PORT)[number][] | typeof BOTH_PORTS | [typeof FlightService]) =>
  services.flatMap(({ typeName, methods }) => Object.values(methods).map(({ name }) => ({ typeName, name })));
const ON_CONTROL = [...methodsOf(CONTROL_PORT), ...methodsOf(BOTH_PORTS)];
// Handshake is where names are proved: it has tests of its own.
const ON_FLIGHT = [...methodsOf([FlightService]), ...methodsOf(BOTH_PORTS)].filter(({ name }) => name !== "Handshake");

/** Method and path of HTTP: those of the description, which has every route (test/rows/open-api.test.ts), and the pages. */
const DESCRIBED = Object.entries((openApi("1") as { paths: Record<string, object> }).paths).flatMap(([path, methods]) =>
  Object.keys(methods).map((method) => [method.toUpperCase(), path] as const),
);
const ROUTES = [...["/console/console.js", ...PATHS].map((path) => ["GET", path] as const), ...DESCRIBED];

type Caller = Name | "nobody" | "stranger";
const CALLERS: readonly Caller[] = [
  ...(["nobody", "stranger", "unlisted", "reader", "some-reader"] as const),
  ...(["operator", "some-operator", "admin"] as const),
];

/** How a call is to end. */
function expected(asks: string, caller: Caller): "in" | "UNAUTHENTICATED" | "PERMISSION_DENIED" {
  if (asks === "nothing") return "in";
  if (caller === "nobody" || caller === "stranger") return "UNAUTHENTICATED";
  if (caller === "unlisted") return "PERMISSION_DENIED";
  if (asks === "admin" && caller !== "admin") return "PERMISSION_DENIED";
  if (asks.endsWith("operator") && caller.endsWith("reader")) return "PERMISSION_DENIED";
  return asks.startsWith("whole") && caller.startsWith("some-") ? "PERMISSION_DENIED" : "in";
}

let server: GuardedServer;
let control: grpc.Client;
let flight: grpc.Client;
const certificates = hasOpenssl() ? new Certificates() : undefined;
/** Clients that show a certificate of their name, by port and caller. */
const showing = new Map<string, grpc.Client>();
/** The certificates, by caller. */
const pairs = new Map<Caller, KeyPair>();

const clientOf = (address: string, pair?: KeyPair) => {
  const ca = certificates && [contentOf(certificates.ca).cert];
  const credentials = clientCredentials(address, ca && { ca, ...(pair && contentOf(pair)) });
  return new grpc.Client(address, credentials, { "grpc.use_local_subchannel_pool": 1 });
};

/** A request to the HTTP port, by a client that shows a certificate where it has one. */
const request = (path: string, init: RequestInit = {}, pair?: KeyPair) => {
  const tls = certificates && { ca: contentOf(certificates.ca).cert, ...(pair && contentOf(pair)) };
  const scheme = tls === undefined ? "http" : "https";
  return fetch(`${scheme}://${server.processor.http}${path}`, { ...init, tls, keepalive: false });
};

beforeAll(async () => {
  server = await startGuarded(certificates === undefined ? {} : tlsOf(certificates));
  const addresses = { control: server.processor.control, flight: server.processor.flight };
  control = clientOf(addresses.control);
  flight = clientOf(addresses.flight);
  for (const caller of CALLERS) {
    const pair = caller === "nobody" ? undefined : certificates?.issue(caller === "stranger" ? "admin" : caller);
    if (pair !== undefined) pairs.set(caller, pair);
    for (const [port, address] of Object.entries(addresses)) showing.set(`${port} ${caller}`, clientOf(address, pair));
  }
  const tls = certificates && { ca: [contentOf(certificates.ca).cert] };
  const client = connectControl(server.processor.control, { token: server.keys.operator, tls });
  await client.startProcessing({ startLedger: SAMPLE.first, endLedger: SAMPLE.last });
  client.close();
}, 60_000);

afterAll(async () => {
  for (const client of [control, flight, ...showing.values()]) client.close();
  await server.close();
  certificates?.remove();
});

/** TLS for all ports, where a client may show a certificate. */
function tlsOf(made: Certificates): Record<string, string> {
  const own = made.issue("server");
  return {
    ...{ TLS_CERT_FILE: own.cert, TLS_KEY_FILE: own.key },
    ...{ TLS_CLIENT_CA_FILE: made.ca.cert, TLS_CLIENT_AUTH: "request" },
  };
}

const CERTIFICATE = "a client certificate";

/** The kinds of credential: headers for a name, and for a stranger. */
const KINDS: Readonly<Record<string, (caller: Caller) => Record<string, string> | Promise<Record<string, string>>>> = {
  "an API key": (caller) => {
    if (caller === "nobody") return {};
    return bearer(caller === "stranger" ? "cdp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" : server.keys[caller]);
  },
  "a JWT": async (caller) => {
    if (caller === "nobody") return {};
    const jwt = await server.jwt({ sub: caller });
    return bearer(caller === "stranger" ? jwt.slice(0, -8) : jwt);
  },
  "name and password": (caller) => {
    if (caller === "nobody") return {};
    // Wrong passwords are slowed down, and have tests of their own.
    return caller === "stranger" ? { authorization: "Basic !" } : basic(caller, server.passwords[caller]);
  },
  // A header decides alone, whatever certificate comes with it: the stranger shows an admin's.
  [CERTIFICATE]: (caller) => (caller === "stranger" ? bearer("cdp_wrong") : {}),
};
const KINDS_HERE = Object.entries(KINDS).filter(([kind]) => kind !== CERTIFICATE || certificates !== undefined);

function ending(code: string): string {
  return code === "UNAUTHENTICATED" || code === "PERMISSION_DENIED" ? code : "in";
}

describe.each(KINDS_HERE)("with %s", (kind, headersOf) => {
  test.each([
    ["control", ON_CONTROL],
    ["flight", ON_FLIGHT],
  ] as const)(
    "every method of the %s port lets in whom it should",
    async (port, methods) => {
      await Promise.all(
        methods.map(async ({ typeName, name }) => {
          const asks = ASKS[name];
          expect(asks, `${typeName}/${name} has no rule here: add it to ASKS`).toBeString();
          const shared = port === "control" ? control : flight;
          const ends = await Promise.all(
            CALLERS.map(async (caller) => {
              const client = kind === CERTIFICATE ? showing.get(`${port} ${caller}`)! : shared;
              const { code, reason } = await rawCall(client, `${typeName}/${name}`, await headersOf(caller));
              if (code === "PERMISSION_DENIED") expect(["ROLE", "SCOPE"]).toContain(reason);
              if (code === "UNAUTHENTICATED") expect(reason).toBe("CREDENTIALS");
              return [`${name} by ${caller}`, ending(code)];
            }),
          );
          expect(ends).toEqual(CALLERS.map((caller) => [`${name} by ${caller}`, expected(asks!, caller)]));
        }),
      );
    },
    120_000,
  );

  test("every path of HTTP lets in whom it should", async () => {
    for (const [method, path] of ROUTES) {
      const asks = ASKS[method === "GET" ? path : `${method} ${path}`];
      expect(asks, `${method} ${path} has no rule here: add it to ASKS`).toBeString();
      for (const caller of CALLERS) {
        const pair = kind === CERTIFICATE ? pairs.get(caller) : undefined;
        const init = { method, headers: await headersOf(caller) };
        const { status, headers } = await request(path.replace("{id}", "none"), init, pair);
        const wanted = expected(asks!, caller);
        const code = status === 401 ? "UNAUTHENTICATED" : status === 403 ? "PERMISSION_DENIED" : "in";
        expect([method, path, caller, code]).toEqual([method, path, caller, wanted]);
        if (code === "UNAUTHENTICATED") expect(headers.get("WWW-Authenticate")).toContain("Basic");
      }
    }
  });
});

test("the matrix has every service that reflection tells of", async () => {
  const tell = async (client: grpc.Client) => {
    const { serverReflectionInfo: method } = ServerReflection.methods;
    const metadata = new grpc.Metadata();
    metadata.set("authorization", `Bearer ${server.keys.admin}`);
    const call = client.makeBidiStreamRequest(
      `/${ServerReflection.typeName}/${method.name}`,
      (request: Uint8Array) => Buffer.from(request),
      (bytes: Buffer) => method.response.decode(bytes),
      metadata,
    );
    call.write(method.request.encode({ listServices: "" }));
    call.end();
    const names: string[] = [];
    for await (const { listServicesResponse } of call as AsyncIterable<ReturnType<typeof method.response.decode>>) {
      names.push(...(listServicesResponse?.service ?? []).map(({ name }) => name));
    }
    return names.sort();
  };
  const named = (services: readonly { typeName: string }[]) => services.map(({ typeName }) => typeName).sort();
  expect(await tell(control)).toEqual(named([...CONTROL_PORT, ...BOTH_PORTS]));
  expect(await tell(flight)).toEqual(named([FlightService, ...BOTH_PORTS]));
});

test("bytes that are no request are refused with a reason, whom they come from first", async () => {
  const none = Buffer.from([0xff, 0xff, 0xff]);
  const methods = [
    [control, "contractdata.v1.ControlService/GetStatus"],
    [control, "contractdata.v1.ControlService/WatchSession"],
    [control, "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"],
    [flight, "arrow.flight.protocol.FlightService/GetFlightInfo"],
    [flight, "arrow.flight.protocol.FlightService/DoGet"],
  ] as const;
  for (const [client, path] of methods) {
    const end = await rawCall(client, path, bearer(server.keys.admin), none);
    expect([path, end.code, end.reason]).toEqual([path, "INVALID_ARGUMENT", "REQUEST_UNREADABLE"]);
    expect(end.message).toMatch(/^the request's 3 B are no [\w.]+:/);
    expect((await rawCall(client, path, {}, none)).code).toBe("UNAUTHENTICATED");
  }
});

test("a method without a rule is for admins alone, and a path too", async () => {
  const status = async (headers: Record<string, string>) => (await request("/nothing-here", { headers })).status;
  expect(await status({})).toBe(401);
  expect(await status(bearer(server.keys.operator))).toBe(403);
  expect(await status(bearer(server.keys.admin))).toBe(404);
});

test("no key is in the log or on a page, and refusals are counted and logged with name and peer", async () => {
  const { processor, keys } = server;
  const scrape = async () => (await request("/metrics", { headers: bearer(keys.reader) })).text();
  let page = await scrape();
  await until(async () => {
    page = await scrape(); // counts of the Flight thread come every second
    return !/access_refused_total{listener="flight",why="\w+"} 0/.test(page);
  }, "counts of the Flight port");
  for (const listener of ["control", "flight", "http"]) {
    for (const why of ["unauthenticated", "denied"]) {
      const [, count] = new RegExp(`access_refused_total{listener="${listener}",why="${why}"} (\\d+)`).exec(page) ?? [];
      expect([listener, why, Number(count) > 0]).toEqual([listener, why, true]);
    }
  }
  await rawCall(control, "contractdata.v1.ControlService/GetStatus", basic(keys.admin, "x"));
  const status = await (await request("/status.json", { headers: bearer(keys.reader) })).text();
  const log = processor.output();
  expect(log).toContain('"reason":"ROLE"');
  expect(log).toMatch(/"name":"reader"/);
  expect(log).toMatch(/"peer":"127\.0\.0\.1:\d+"/);
  for (const key of Object.values(keys)) {
    for (const text of [log, page, status]) expect(text.includes(key)).toBe(false);
  }
});
