/**
 * The Flight port answers what people try on a gRPC port: health, reflection, and SQL drivers, which get a sentence; and
 * remote clients are told an address that they can use.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { advertisedAddress, parseHost } from "../../src/config/advertised.ts";
import { loadConfig } from "../../src/config/load.ts";
import { CodedError } from "../../src/error.ts";
import { ContractDataService } from "../../src/grpc/generated/contract-data-service.ts";
import { FlightDescriptor_DescriptorType as DescriptorType, FlightService } from "../../src/grpc/generated/flight.ts";
import {
  Health,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as Status,
} from "../../src/grpc/generated/health.ts";
import { ServerReflection, type ServerReflectionResponse } from "../../src/grpc/generated/reflection-v1.ts";
import { serviceClient } from "../../src/grpc/service.ts";
import { collect, flightCalls } from "../support/flight-rows.ts";
import { GatedSource } from "../support/gated-source.ts";
import { BUILD_MS_MAX, canHaveGrpcurl, grpcurlPath } from "../support/grpcurl.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";

let source: GatedSource;
let server: LocalServer;
beforeAll(async () => {
  source = await GatedSource.open();
  server = await localServer(source, { "flight-credentials": "reader:secret" });
});
afterAll(async () => {
  await server.close();
  await source.close();
});

const flight = (of = server) => `127.0.0.1:${of.processor.addresses.flight.port}`;
const clientOf = (address: string, options: grpc.ClientOptions = {}) =>
  new grpc.Client(address, grpc.credentials.createInsecure(), options);

describe("health and reflection", () => {
  test("health needs no token, knows Flight and the whole, and nothing else", async () => {
    const client = clientOf(flight());
    const health = serviceClient(client, Health);
    expect((await health.check({})).status).toBe(Status.SERVING);
    expect((await health.check({ service: FlightService.typeName })).status).toBe(Status.SERVING);
    const unknown = await health.check({ service: "no.Service" }).catch(CodedError.from);
    expect(unknown).toMatchObject({ code: "NOT_FOUND", reason: "SERVICE_UNKNOWN" });
    client.close();
  });

  test("a watch hears that the server shuts down, and ends", async () => {
    const other = await localServer(source);
    const client = clientOf(flight(other));
    const watch = serviceClient(client, Health).watch({}) as AsyncIterable<HealthCheckResponse>;
    const heard: Status[] = [];
    for await (const { status } of watch) {
      heard.push(status);
      if (heard.length === 1) void other.close();
    }
    expect(heard).toEqual([Status.SERVING, Status.NOT_SERVING]);
    client.close();
  });

  test("reflection lists the services and has Flight's file", async () => {
    const client = clientOf(flight());
    const call = serviceClient(client, ServerReflection).serverReflectionInfo();
    call.write({ listServices: "*" });
    call.write({ fileContainingSymbol: FlightService.typeName });
    call.end();
    const [list, file] = await collect(call as AsyncIterable<ServerReflectionResponse>);
    const names = list!.listServicesResponse?.service.map(({ name }) => name);
    expect(names).toEqual([
      FlightService.typeName,
      Health.typeName,
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
    ]);
    expect(file!.fileDescriptorResponse?.fileDescriptorProto.length).toBeGreaterThan(0);
    client.close();
  });

  test.skipIf(!canHaveGrpcurl())(
    "grpcurl describes the service and asks for its health",
    async () => {
      const run = async (...args: string[]) => {
        const child = Bun.spawn([grpcurlPath(), "-plaintext", ...args], { stdout: "pipe", stderr: "pipe" });
        return (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
      };
      expect(await run(flight(), "list")).toContain(FlightService.typeName);
      expect(await run(flight(), "describe", FlightService.typeName)).toContain("rpc DoGet");
      expect(await run(flight(), "grpc.health.v1.Health/Check")).toContain("SERVING");
    },
    BUILD_MS_MAX,
  );
});

describe("the address that remote clients are told", () => {
  const everywhere = { host: "", port: 8816 };

  test("the setting, else the host that Flight is bound to, else the name by which the client came", () => {
    expect(advertisedAddress(everywhere, "flight.example.org", "10.0.0.7:50054")).toBe("flight.example.org:8816");
    expect(advertisedAddress({ host: "10.0.0.7", port: 1 }, "", "x.example.org:50054")).toBe("10.0.0.7:1");
    for (const host of ["", "0.0.0.0", "::"]) {
      expect(advertisedAddress({ host, port: 8816 }, "", "x.example.org:50054")).toBe("x.example.org:8816");
    }
    expect(advertisedAddress(everywhere, "", "x.example.org")).toBe("x.example.org:8816");
    expect(advertisedAddress(everywhere, "", "[2001:db8::1]:50054")).toBe("[2001:db8::1]:8816");
    expect(advertisedAddress(everywhere, "2001:db8::2")).toBe("[2001:db8::2]:8816");
    const nonsense = ["", "0.0.0.0:1", "a b", "a\u0000", "<script>", "x".repeat(300), "/tmp/socket", "user@host:1"];
    for (const word of nonsense) expect(advertisedAddress(everywhere, "", word), word).toBe("127.0.0.1:8816");
  });

  test("GetServiceInfo tells it", async () => {
    const told = async (flags: Record<string, string>, authority: string) => {
      const own = await localServer(source, flags);
      const client = clientOf(own.address, { "grpc.default_authority": authority });
      const info = await serviceClient(client, ContractDataService).getServiceInfo({});
      const { port } = own.processor.addresses.flight;
      client.close();
      await own.close();
      return info.arrowFlightEndpoint.replace(`:${port}`, ":PORT");
    };
    expect(await told({ "advertised-host": "flight.example.org" }, "other:1")).toBe("flight.example.org:PORT");
    expect(await told({}, "other.example.org:1")).toBe("127.0.0.1:PORT"); // it is bound to loopback
  });

  test("the setting is a host without a port", () => {
    expect(loadConfig({ flags: { "advertised-host": "[::1]" } }).values.advertisedHost).toBe("::1");
    expect(parseHost("host:8816")).toBeUndefined();
    expect(() => loadConfig({ flags: { "advertised-host": "host:8816x/y" } })).toThrow("without a port");
  });
});

describe("Flight SQL", () => {
  /** google.protobuf.Any, by hand: type_url is field 1, value field 2. */
  function any(name: string): Buffer {
    const url = Buffer.from(`type.googleapis.com/arrow.flight.protocol.sql.${name}`);
    const value = Buffer.from("\x0a\x08SELECT 1");
    return Buffer.concat([Buffer.from([0x0a, url.length]), url, Buffer.from([0x12, value.length]), value]);
  }

  test("its commands, tickets and actions are told that there is no SQL, and what to do instead", async () => {
    const own = await localServer(source);
    const calls = flightCalls(flight(own));
    const failure = async (call: Promise<unknown>) => {
      const thrown = (await call.then(
        () => undefined,
        (error: unknown) => error,
      )) as grpc.ServiceError | CodedError;
      if (thrown instanceof CodedError) return `${thrown.code} ${thrown.message}`;
      return `${grpc.status[thrown.code]} ${thrown.details}`;
    };
    const descriptor = { type: DescriptorType.CMD, cmd: any("CommandStatementQuery") };
    const refused = "INVALID_ARGUMENT CommandStatementQuery: this is no Flight SQL server and answers no queries.";
    const asked = [calls.getFlightInfo(descriptor), calls.getSchema(descriptor), calls.pollFlightInfo(descriptor)];
    for (const told of await Promise.all(asked.map(failure))) expect(told).toStartWith(refused);
    const get = collect(calls.doGet({ ticket: any("TicketStatementQuery") }) as AsyncIterable<unknown>);
    expect(await failure(get)).toStartWith("INVALID_ARGUMENT TicketStatementQuery: this is no Flight SQL server");
    const act = collect(calls.doAction({ type: "CreatePreparedStatement" }) as AsyncIterable<unknown>);
    const told = await failure(act);
    expect(told).toStartWith("UNIMPLEMENTED CreatePreparedStatement: this is no Flight SQL server");
    expect(told).toContain("pyarrow.flight");
    calls.close();
    await own.close();
  });
});
