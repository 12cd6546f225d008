import { describe, expect, test } from "bun:test";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseSourceEndpoint } from "../../src/config/source-endpoint.ts";
import { openSource } from "../../src/sources/open.ts";

const sample = path.join(import.meta.dir, "../../sample/lake");

describe("parseSourceEndpoint", () => {
  test.each([
    ["localhost:50053", { kind: "grpc", address: { host: "localhost", port: 50053 } }],
    [":50053", { kind: "grpc", address: { host: "", port: 50053 } }],
    ["grpc://localhost:50053", { kind: "grpc", address: { host: "localhost", port: 50053 } }],
    ["grpcs://[::1]:50053", { kind: "grpc", address: { host: "::1", port: 50053 }, tls: true }],
    ["10.0.0.1:1", { kind: "grpc", address: { host: "10.0.0.1", port: 1 } }],
    ["[::1]:65535", { kind: "grpc", address: { host: "::1", port: 65535 } }],
    ["/data/lake", { kind: "lake", path: "/data/lake" }],
    ["./a:5", { kind: "lake", path: "./a:5" }],
    [".", { kind: "lake", path: "." }],
    ["file:///data/a%20lake", { kind: "lake", path: "/data/a lake" }],
    ["s3://bucket/lake?region=eu-west-1", { kind: "store", address: "s3://bucket/lake?region=eu-west-1" }],
    ["gs://bucket/lake", { kind: "store", address: "gs://bucket/lake" }],
    ["https://host/lake?key=1", { kind: "store", address: "https://host/lake?key=1" }],
    ["meta:/run/core/meta.fifo", { kind: "meta", path: "/run/core/meta.fifo" }],
    ["meta:file:///run/meta%20fifo", { kind: "meta", path: "/run/meta fifo" }],
    ["meta:fd:3", { kind: "meta", path: "/dev/fd/3" }],
    ["meta:/dev/fd/3", { kind: "meta", path: "/dev/fd/3" }],
    ["meta+tcp://core:5000", { kind: "meta+tcp", address: { host: "core", port: 5000 } }],
    ["meta+tcp://[::1]:5000", { kind: "meta+tcp", address: { host: "::1", port: 5000 } }],
    ["repeat:/data/lake", { kind: "repeat", path: "/data/lake" }],
    ["repeat:file:///data/lake", { kind: "repeat", path: "/data/lake" }],
    [
      "/data/lake | rpc+https://host/key|localhost:1",
      {
        kind: "join",
        members: [
          { kind: "lake", path: "/data/lake" },
          { kind: "rpc", url: "https://host/key" },
          { kind: "grpc", address: { host: "localhost", port: 1 } },
        ],
      },
    ],
  ] as const)("%s", (text, spec) => {
    expect(parseSourceEndpoint(text)).toEqual(spec);
  });

  test.each([
    "",
    "lake",
    "localhost",
    "localhost:0",
    "localhost:65536",
    "s3:///lake",
    "gs:///lake",
    "ftp://host/lake",
    "repeat:",
    "|",
    "/data/lake|",
    "/data/lake|lake",
    Array(9).fill("/data/lake").join("|"),
    "repeat:localhost:5",
    "meta:",
    "meta:fd:",
    "meta:fd:x",
    "meta:core:5000",
    "meta+tcp://core",
    "meta+tcp://core:0",
    "grpcs://localhost",
    "grpcs://localhost:0",
    "grpcs://localhost:5/path",
    "grpcx://localhost:5",
    "a b:5",
    "::1:5",
    "file://host/lake",
  ])("%p is none", (text) => {
    expect(parseSourceEndpoint(text)).toBeUndefined();
  });
});

const open = (text: string) => openSource(parseSourceEndpoint(text)!, { peer: {} });

describe("openSource", () => {
  test("a lake, by path and by URL", async () => {
    for (const spec of [sample, pathToFileURL(sample).href]) {
      const source = await open(spec);
      expect([source.description, source.seekable]).toEqual([`lake ${sample}`, true]);
      expect(await source.ledgerLatest()).toBe(58752000);
    }
  });

  test("a repeated lake", async () => {
    expect((await open(`repeat:${sample}`)).description).toBe(`7 ledgers of ${sample}, repeated`);
  });

  test("a raw ledger service is not connected to yet", async () => {
    const source = await open("[::1]:1");
    expect([source.description, source.seekable]).toEqual(["raw ledgers from [::1]:1", false]);
    expect((await openSource({ kind: "grpc", address: { host: "", port: 7 } }, { peer: {} })).description).toBe(
      "raw ledgers from 127.0.0.1:7",
    );
    await source.close();
  });

  test("a meta stream", async () => {
    const fifo = await open("meta:/nowhere/meta.fifo");
    expect([fifo.description, fifo.seekable]).toEqual(["meta stream /nowhere/meta.fifo", false]);
    await fifo.close();
    const server = await open("meta+tcp://:1");
    expect(server.description).toBe("meta stream 127.0.0.1:1");
    await server.close();
  });

  test("a join, by the names of its members", async () => {
    const source = await open(`${sample}|[::1]:1|rpc+http://[::1]:2/key`);
    expect([source.description, source.seekable, await source.ledgerLatest()]).toEqual([
      `lake ${sample}, then raw ledgers from [::1]:1 or RPC server [::1]:2`,
      true,
      undefined,
    ]);
    await source.close();
    await expect(open("/nowhere/a|./nowhere/b")).rejects.toThrow("/nowhere/a: there is no such file or folder");
  }, 30_000);

  test("a lake that is not there", async () => {
    await expect(open("/nowhere/at/all")).rejects.toThrow("/nowhere/at/all: there is no such file or folder");
  });
});
