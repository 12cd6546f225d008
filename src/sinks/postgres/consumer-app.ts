/** A PostgreSQL consumer over HTTP, for operators: health, readiness, metrics, statistics. */
import { Hono } from "hono";
import { METRICS_CONTENT_TYPE } from "../../ops/metrics.ts";
import { requestPath } from "../../ops/request-path.ts";
import type { ConsumerTotals } from "./consumer-totals.ts";
import type { PostgresSink } from "./postgres-sink.ts";

const SERVICE = "postgresql-consumer";
const PATHS = ["/health", "/ready", "/metrics", "/stats"];
const NO_STORE = { "Cache-Control": "no-store" } as const;

/** What is shown. */
interface ConsumerSource {
  sink: Pick<PostgresSink, "ping" | "totals">;
  totals: ConsumerTotals;
  /** What is read, from where, and where its rows go; none of them has a password. */
  reader: string;
  address: string;
  database: string;
  startedAtUnixMs: number;
}

/** /health is 503 while the database does not answer, /ready also while the consumer waits after a failure. */
export function createConsumerApp(source: ConsumerSource): Hono {
  const { sink, totals } = source;
  const app = new Hono({ getPath: requestPath });

  let asking: Promise<string | undefined> | undefined; // however many ask at a time, the database is asked once
  /** What is wrong with the database; undefined where nothing is. */
  const trouble = (): Promise<string | undefined> => {
    asking ??= sink
      .ping()
      .then(
        () => undefined,
        (thrown: Error) => thrown.message,
      )
      .finally(() => {
        asking = undefined;
      });
    return asking;
  };

  app.use(async (context, next) => {
    await next();
    context.header("X-Content-Type-Options", "nosniff");
  });

  app.get("/health", async (context) => {
    const error = await trouble();
    const status = error === undefined ? "healthy" : "unhealthy";
    return context.json({ service: SERVICE, status, error }, error === undefined ? 200 : 503, NO_STORE);
  });

  app.get("/ready", async (context) => {
    const error = totals.failure ?? (await trouble());
    return context.json(
      { service: SERVICE, ready: error === undefined, error },
      error === undefined ? 200 : 503,
      NO_STORE,
    );
  });

  app.get("/metrics", (context) =>
    context.body(totals.text(sink.totals, Date.now() / 1000), 200, {
      ...NO_STORE,
      "Content-Type": METRICS_CONTENT_TYPE,
    }),
  );

  app.get("/stats", (context) => {
    const { last, commits, errors, failure } = totals;
    const { reader, address, database, startedAtUnixMs } = source;
    return context.json(
      {
        ...{ service: SERVICE, reader, address, database, ...sink.totals, commits, errors, error: failure },
        ...{ ledger: last?.ledgerComplete, cursor: last?.cursor, lag_seconds: last && lagSeconds(last) },
        uptime_seconds: Math.round((Date.now() - startedAtUnixMs) / 1000),
      },
      200,
      NO_STORE,
    );
  });

  app.notFound((context) => context.json({ error: `nothing is here; there are ${PATHS.join(", ")}` }, 404));
  return app;
}

function lagSeconds({ closedAtUnixSeconds }: { closedAtUnixSeconds: number }): number {
  return Math.max(0, Math.round(Date.now() / 1000 - closedAtUnixSeconds));
}
