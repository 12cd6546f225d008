/** The real server inside the test's process, on free ports, with its clients; for tests that hold its source. */
import { loadConfig } from "../../src/config/load.ts";
import { type ControlClient, connectControl } from "../../src/control/client.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { createLogger } from "../../src/ops/log.ts";
import { type RunningProcessor, type ServerOptions, startServer } from "../../src/server/server.ts";
import type { LedgerSource } from "../../src/sources/source.ts";

export interface LocalServer {
  processor: RunningProcessor;
  control: ControlClient;
  flight: FlightClient;
  /** host:port of the control plane. */
  address: string;
  close(): Promise<void>;
}

/** One line of the server's log. */
export interface LogLine {
  level: string;
  message: string;
  [field: string]: unknown;
}

/**
 * @param flags settings by flag name
 * @param lines what is logged from debug on, parsed; absent: errors go to stderr
 */
export async function localServer(
  source: LedgerSource,
  flags: Record<string, string> = {},
  lines?: LogLine[],
  options: ServerOptions = {},
): Promise<LocalServer> {
  const network = await source.networkPassphrase();
  const { values } = loadConfig({
    flags: {
      "grpc-address": "127.0.0.1:0",
      "flight-address": "127.0.0.1:0",
      "health-port": "127.0.0.1:0",
      "worker-count": "2",
      "include-deleted": "true",
      ...(network === undefined ? {} : { "network-passphrase": network }),
      ...flags,
    },
  });
  const output = lines && { write: (line: string) => lines.push(JSON.parse(line)) };
  const log = createLogger({ level: lines === undefined ? "error" : "debug", output, format: "json" });
  const processor = await startServer(values, source, log, options);
  const address = `127.0.0.1:${processor.addresses.control.port}`;
  const control = connectControl(address, { deadlineMs: 60_000 });
  const flight = new FlightClient(`127.0.0.1:${processor.addresses.flight.port}`);
  return {
    processor,
    control,
    flight,
    address,
    async close() {
      control.close();
      flight.close();
      await processor.close(0);
    },
  };
}
