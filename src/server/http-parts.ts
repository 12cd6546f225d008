/** What the HTTP server has beside health and metrics: rows, the console, and what the console changes. */
import { addSessionRoutes } from "../control/http-routes.ts";
import type { DataPlaneClient } from "../engine/data-plane-client.ts";
import type { ConsoleSource } from "../ops/console-routes.ts";
import type { OpsHono } from "../ops/ops-hono.ts";
import { SessionHistory } from "../ops/session-history.ts";
import type { OpsSource } from "../ops/status.ts";
import { addRowRoutes, type RowRoutesOptions } from "../rows/routes.ts";
import { RowFormatter } from "../rows/row-formatter.ts";
import { RowTickets } from "../rows/row-tickets.ts";
import { ticketKey } from "../security/ticket-key.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { StartContext } from "./engine-parts.ts";
import { overviewOf } from "./overview.ts";

/** Options of createOpsApp; what they start ends with the server. */
export function httpParts(
  { config, access, life, stop, audit, log }: StartContext,
  dataPlane: DataPlaneClient,
  sessions: Sessions,
  ops: OpsSource,
) {
  const asksWho = access.access.http !== undefined;
  const tickets = asksWho ? new RowTickets(ticketKey(config.dataDir, config.ticketKeyFile)) : undefined;
  const formatter = new RowFormatter();
  const history = new SessionHistory(() => sessions.list());
  stop.ops.push(async () => history.close());
  stop.ops.push(() => formatter.close());
  const streams = () => dataPlane.streams();
  const rows: RowRoutesOptions = {
    ...{ reads: dataPlane.reads, formatter, tickets },
    ...{ streamsMax: config.httpStreamsMax, version: config.serviceVersion },
    isStopping: () => life.closing,
  };
  const console: ConsoleSource = {
    overview: (identity) => overviewOf({ config, ops, log, asksWho, streams }, identity),
    history: () => history.read(),
  };
  return {
    console,
    addRoutes: (app: OpsHono) => {
      addSessionRoutes(app, sessions, audit, log);
      addRowRoutes(app, rows);
    },
    ticketIdentity: tickets && ((address: URL) => tickets.identityOf(address)),
  };
}
