/** Where the server listens when nobody says, and what it says of it. */
import { expect, test } from "bun:test";
import { loadConfig } from "../../src/config/load.ts";
import { safeListening } from "../../src/server/safe-listening.ts";

function hostsOf(env: Record<string, string>) {
  const lines: string[] = [];
  const log = {
    info: (line: string) => lines.push(`info ${line}`),
    warn: (line: string) => lines.push(`warn ${line}`),
  };
  const { grpcAddress, flightAddress, healthAddress } = safeListening(loadConfig({ env }), log);
  return { hosts: [grpcAddress.host, flightAddress.host, healthAddress.host], lines };
}

test("without credentials and addresses, only this machine can connect, and the log says so", () => {
  const { hosts, lines } = hostsOf({});
  expect(hosts).toEqual(["127.0.0.1", "127.0.0.1", "127.0.0.1"]);
  expect(lines.map((line) => line.split(" is not set")[0])).toEqual([
    "info GRPC_ADDRESS",
    "info FLIGHT_ADDRESS",
    "info HEALTH_PORT",
  ]);
});

test("an address that is set is kept, with a warning where it is open to others", () => {
  const { hosts, lines } = hostsOf({
    GRPC_ADDRESS: "0.0.0.0:50054",
    FLIGHT_ADDRESS: ":8816",
    HEALTH_PORT: "127.0.0.1:8089",
  });
  expect(hosts).toEqual(["0.0.0.0", "", "127.0.0.1"]);
  expect(lines.map((line) => line.split(" may call")[0])).toEqual([
    "warn everybody who reaches GRPC_ADDRESS",
    "warn everybody who reaches FLIGHT_ADDRESS",
  ]);
});

test("INSECURE_LISTEN listens to everybody, with a warning", () => {
  const { hosts, lines } = hostsOf({ INSECURE_LISTEN: "true" });
  expect(hosts).toEqual(["", "", ""]);
  expect(lines.every((line) => line.startsWith("warn "))).toBe(true);
});

test("a listener that asks for credentials listens to everybody", () => {
  expect(hostsOf({ API_KEYS_FILE: "/keys" })).toEqual({ hosts: ["", "", ""], lines: [] });
  expect(hostsOf({ FLIGHT_CREDENTIALS: "ann:x" }).hosts).toEqual(["127.0.0.1", "", "127.0.0.1"]);
});

test("a listener that requires clients' certificates listens to everybody", () => {
  const tls = { TLS_CERT_FILE: "/cert", TLS_KEY_FILE: "/key" };
  expect(hostsOf(tls).hosts).toEqual(["127.0.0.1", "127.0.0.1", "127.0.0.1"]);
  const clients = { ...tls, TLS_CLIENT_CA_FILE: "/ca" };
  expect(hostsOf(clients)).toEqual({ hosts: ["", "", ""], lines: [] });
  const some = { ...clients, FLIGHT_TLS_CLIENT_AUTH: "request", HEALTH_TLS_CLIENT_CA_FILE: "off" };
  expect(hostsOf(some).hosts).toEqual(["", "127.0.0.1", "127.0.0.1"]);
});

test("where certificates are all the credentials and HTTP asks for none, the log says that it refuses everybody", () => {
  const pair = { TLS_CERT_FILE: "cert.pem", TLS_KEY_FILE: "key.pem", TLS_CLIENT_CA_FILE: "ca.pem" };
  const byCertificate = { ...pair, ACCESS_FILE: "access.json", HEALTH_TLS_CLIENT_CA_FILE: "off" };
  expect(hostsOf(byCertificate).lines).toEqual([
    expect.stringMatching(/^warn HTTP refuses everybody: names are proved by client certificates alone, and HTTP asks/),
  ]);
  expect(hostsOf({ ...byCertificate, ACCESS_OPEN: "metrics" }).lines[0]).toContain("everybody, but for metrics:");
  expect(hostsOf({ ...byCertificate, API_KEYS_FILE: "keys" }).lines).toEqual([]);
  expect(hostsOf({ ...pair, ACCESS_FILE: "access.json" }).lines).toEqual([]);
});
