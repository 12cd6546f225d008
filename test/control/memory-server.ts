/** The control plane over sessions in memory, on a free port of loopback. */

import { type RunningServer, startControlServer } from "../../src/control/server.ts";
import type { HealthState } from "../../src/grpc/health-state.ts";
import { type MemorySessions, SERVICE } from "./memory-sessions.ts";

export function startMemoryServer(
  sessions: MemorySessions,
  health: HealthState,
  onUnexpected: (error: unknown) => void = () => {},
): Promise<RunningServer> {
  const log = { level: "info" } as const;
  return startControlServer({ sessions, service: SERVICE, health, log, host: "127.0.0.1", port: 0, onUnexpected });
}
