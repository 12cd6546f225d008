/** What a person at a shell reads: nobody there, the wrong port of ours, a configuration file with a slip in it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { loadConfig } from "../../src/config/load.ts";
import type { CodedError } from "../../src/error.ts";
import { COMMANDS } from "../../src/main.ts";
import { Lake } from "../../src/sources/lake/lake.ts";
import { cli } from "../cli/harness.ts";
import { pythonInterpreter } from "../clients/toolchain.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";

describe("a command that reaches no server, or the wrong port of one", () => {
  let server: LocalServer;
  beforeAll(async () => {
    server = await localServer(await Lake.open("sample/lake"));
  });
  afterAll(() => server.close());

  const run = async (...argv: string[]) => {
    const { code, err } = await cli(argv, COMMANDS);
    return { code, err };
  };

  test("watch against nothing says so in a sentence, as the other commands do", async () => {
    for (const command of [["watch"], ["sessions"], ["tail"]]) {
      const { code, err } = await run(...command, "--address", "127.0.0.1:1");
      expect(code).toBe(1);
      expect(err).toMatch(/cannot reach the (control|Flight) server at 127.0.0.1:1: is it running\?/);
      expect(err).not.toContain("ECONNREFUSED");
    }
  });

  test("each command is told which port it met, and where the right one is", async () => {
    const { control, flight, http } = server.processor.addresses;
    const at = (port: number) => `127.0.0.1:${port}`;
    expect((await run("watch", "--address", at(flight.port))).err).toContain("this is the Arrow Flight port");
    expect((await run("sessions", "--address", at(flight.port))).err).toContain("at the port of GRPC_ADDRESS");
    expect((await run("tail", "--address", at(control.port))).err).toContain("at the port of FLIGHT_ADDRESS");
    for (const command of ["watch", "sessions", "tail"]) {
      expect((await run(command, "--address", at(http.port))).err).toContain("does not speak gRPC");
    }
  });

  test("a foreign Flight client at the control port is told so too", async () => {
    const { command, missing } = await pythonInterpreter();
    if (command === undefined) return console.warn(`skipped: ${missing}`);
    const script = `
import sys, pyarrow.flight as flight
try:
    flight.connect(sys.argv[1]).get_flight_info(flight.FlightDescriptor.for_path("contract", "data"))
except Exception as error:
    print(error)`;
    const { control } = server.processor.addresses;
    const child = Bun.spawn([...command, "-c", script, `grpc://127.0.0.1:${control.port}`], { stdout: "pipe" });
    expect(await new Response(child.stdout).text()).toContain("this is the control plane's port (GRPC_ADDRESS)");
  });
});

describe("a configuration file", () => {
  const folder = mkdtempSync(join(tmpdir(), "contract-data-config-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  const file = (content: string) => {
    const path = join(folder, "config.json");
    writeFileSync(path, content);
    return path;
  };
  const fault = (content: string): string => {
    try {
      loadConfig({ file: file(content) });
    } catch (error) {
      expect((error as CodedError).reason).toBe("CONFIG_FILE_INVALID");
      return (error as CodedError).message;
    }
    throw new Error("the file was accepted");
  };

  test("may begin with a byte order mark", () => {
    expect(loadConfig({ file: file('\uFEFF{"WORKER_COUNT": 3}') }).values.workerCount).toBe(3);
  });

  test("that names a setting twice is refused with the place of the second", () => {
    expect(fault('{\n  "WORKER_COUNT": 3,\n  "WORKER_COUNT": 4\n}')).toContain(
      "has WORKER_COUNT twice: keep one at line 3, column 3",
    );
  });

  test("that is not JSON is refused with line and column, and without what stands there", () => {
    const message = fault('{\n  "FLIGHT_CREDENTIALS": "me:secret"\n  "DEBUG": true\n}');
    expect(message).toContain("is not JSON (comma expected) at line 3, column 3");
    expect(message).not.toContain("secret");
    expect(fault('{"DEBUG": true // why\n}')).toContain("at line 1");
    expect(fault("")).toContain("is not JSON");
    expect(fault('{"DEBUG": true} {}')).toContain("end of file expected");
  });

  test("with an unknown name or a wrong type says where", () => {
    expect(fault('{\n"WORKER_COUTN": 3}')).toContain("did you mean WORKER_COUNT? at line 2, column 1");
    expect(fault('{"DEBUG":\n  null}')).toContain("at line 2, column 3");
  });
});
