/** The HTTP side for operators: health, readiness, metrics, a status page. */
import { Hono } from "hono";
import { METRICS_CONTENT_TYPE, metricsText } from "./metrics.ts";
import { sessionMetricsText } from "./session-metrics.ts";
import { healthReport, type OpsSource } from "./status.ts";
import { statusPage } from "./status-page.ts";

const NO_STORE = { "Cache-Control": "no-store" } as const;

/** Requests go to `app.fetch`, tests to `app.request`. An error of the source is answered with 500 and a sentence. */
export function createOpsApp(source: OpsSource, onUnexpected: (error: unknown) => void = () => {}): Hono {
  const app = new Hono();

  app.use(async (context, next) => {
    await next();
    context.header("X-Content-Type-Options", "nosniff");
  });

  app.get("/health", (context) => {
    const report = healthReport(source);
    return context.json(report, report.status === "healthy" ? 200 : 503, NO_STORE);
  });

  for (const path of ["/ready", "/readyz"]) {
    app.get(path, (context) => {
      const report = healthReport(source);
      return context.json(report, report.ready ? 200 : 503, NO_STORE);
    });
  }

  // The process answers: that is all that liveness means. A restart would not mend what /health reports.
  app.get("/livez", (context) => context.json({ service: source.service.name, status: "alive" }, 200, NO_STORE));

  app.get("/metrics", (context) =>
    context.body(
      metricsText(source.metrics(), source.service.version) + sessionMetricsText(source.sessions(), Date.now()),
      200,
      {
        ...NO_STORE,
        "Content-Type": METRICS_CONTENT_TYPE,
      },
    ),
  );

  app.get("/status.json", (context) =>
    context.json(
      {
        health: healthReport(source),
        network: source.network,
        source: source.source,
        endpoints: source.endpoints(),
        sessions: source.sessions(),
      },
      200,
      NO_STORE,
    ),
  );

  app.get("/", (context) => {
    const nonce = crypto.randomUUID();
    return context.html(statusPage(source.service.name, nonce), 200, {
      ...NO_STORE,
      "Content-Security-Policy": `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    });
  });

  app.notFound((context) =>
    context.json({ error: "there are /, /health, /ready, /readyz, /livez, /metrics and /status.json" }, 404),
  );

  app.onError((error, context) => {
    onUnexpected(error);
    return context.json({ error: "an unexpected error; the server's log has the details" }, 500);
  });

  return app;
}
