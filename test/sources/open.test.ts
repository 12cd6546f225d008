import { describe, expect, test } from "bun:test";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { CodedError } from "../../src/error.ts";
import { openSource, parseSourceSpec } from "../../src/sources/open.ts";

const sample = path.join(import.meta.dir, "../../sample/lake");

describe("parseSourceSpec", () => {
  test.each([
    ["localhost:50053", { kind: "grpc", address: { host: "localhost", port: 50053 } }],
    [":50053", { kind: "grpc", address: { host: "", port: 50053 } }],
    ["10.0.0.1:1", { kind: "grpc", address: { host: "10.0.0.1", port: 1 } }],
    ["[::1]:65535", { kind: "grpc", address: { host: "::1", port: 65535 } }],
    ["/data/lake", { kind: "lake", path: "/data/lake" }],
    ["./a:5", { kind: "lake", path: "./a:5" }],
    [".", { kind: "lake", path: "." }],
    ["file:///data/a%20lake", { kind: "lake", path: "/data/a lake" }],
    ["repeat:/data/lake", { kind: "repeat", path: "/data/lake" }],
    ["repeat:file:///data/lake", { kind: "repeat", path: "/data/lake" }],
  ] as const)("%s", (text, spec) => {
    expect(parseSourceSpec(text)).toEqual(spec);
  });

  test.each([
    "",
    "lake",
    "localhost",
    "localhost:0",
    "localhost:65536",
    "s3://bucket/lake",
    "https://host/lake",
    "repeat:",
    "repeat:localhost:5",
    "a b:5",
    "::1:5",
    "file://host/lake",
  ])("%p is refused with what is accepted", (text) => {
    let thrown: unknown;
    try {
      parseSourceSpec(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(CodedError);
    const { code, reason, message } = thrown as CodedError;
    expect([code, reason]).toEqual(["INVALID_ARGUMENT", "SOURCE_SPEC"]);
    expect(message).toContain(`"${text}" is no source`);
    expect(message).toContain("host:port");
  });
});

describe("openSource", () => {
  test("a lake, by path and by URL", async () => {
    for (const spec of [sample, pathToFileURL(sample).href]) {
      const source = await openSource(spec);
      expect([source.description, source.seekable]).toEqual([`lake ${sample}`, true]);
      expect(await source.ledgerLatest()).toBe(58752000);
    }
  });

  test("a repeated lake", async () => {
    expect((await openSource(`repeat:${sample}`)).description).toBe(`7 ledgers of ${sample}, repeated`);
  });

  test("a raw ledger service is not connected to yet", async () => {
    const source = await openSource("[::1]:1");
    expect([source.description, source.seekable]).toEqual(["raw ledgers from [::1]:1", false]);
    expect((await openSource({ kind: "grpc", address: { host: "", port: 7 } })).description).toBe(
      "raw ledgers from 127.0.0.1:7",
    );
    await source.close();
  });

  test("a lake that is not there", async () => {
    await expect(openSource("/nowhere/at/all")).rejects.toThrow("/nowhere/at/all: there is no such file or folder");
  });
});
