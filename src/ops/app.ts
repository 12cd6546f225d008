/** The HTTP side for operators: health, readiness, metrics, a status page. */
import { type Context, Hono } from "hono";
import { compress } from "hono/compress";
import type { Code } from "../codes.ts";
import { CodedError } from "../error.ts";
import { headerCredentials } from "../security/call-credentials.ts";
import type { Gate } from "../security/gate.ts";
import { allowedHosts } from "./allowed-hosts.ts";
import { METRICS_CONTENT_TYPE, metricsText } from "./metrics.ts";
import { publicValue } from "./public-text.ts";
import { requestPath } from "./request-path.ts";
import { sessionMetricsText } from "./session-metrics.ts";
import { shownSession } from "./shown-session.ts";
import { healthReport, type OpsSource } from "./status.ts";
import { statusPage } from "./status-page.ts";

const HTTP_STATUS: Partial<Record<Code, 401 | 403 | 429>> = {
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  RESOURCE_EXHAUSTED: 429,
};
const NO_STORE = { "Cache-Control": "no-store" } as const;

/** Every path that is served; each answers GET and HEAD. */
export const PATHS = ["/", "/health", "/ready", "/readyz", "/livez", "/metrics", "/status.json"] as const;

/** What the server says of a request beside the request itself. */
export interface OpsEnv {
  /** Address of the client. */
  peer: string;
}

interface OpsOptions {
  /** Who may ask; absent: everybody. */
  gate?: Gate;
  /** Told of each error that a request ran into and that is not the client's. */
  onUnexpected?: (error: unknown) => void;
  /** Names under which browsers may read /status.json, beside this machine's own; HTTP_ALLOWED_HOSTS. */
  allowedHosts?: readonly string[];
}

function publicJson(context: Context, body: unknown, status: 200 | 503): Response {
  return context.body(JSON.stringify(body, publicValue), status, { ...NO_STORE, "Content-Type": "application/json" });
}

/** Requests go to `app.fetch`, tests to `app.request`. An error of the source is answered with 500 and a sentence. */
export function createOpsApp(source: OpsSource, options: OpsOptions = {}): Hono {
  const app = new Hono({ getPath: requestPath });
  const isAllowedHost = allowedHosts(options.allowedHosts ?? []);

  app.use(compress({ encoding: "gzip" })); // 64 sessions make /metrics 200 kB of repeated names
  app.use(async (context, next) => {
    await next();
    context.header("X-Content-Type-Options", "nosniff");
  });

  addGate(app, options.gate);

  app.get("/health", (context) => {
    const report = healthReport(source);
    return publicJson(context, report, report.status === "healthy" ? 200 : 503);
  });

  for (const path of ["/ready", "/readyz"]) {
    app.get(path, (context) => {
      const report = healthReport(source);
      return publicJson(context, report, report.ready ? 200 : 503);
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

  app.get("/status.json", (context) => {
    const host = context.req.header("host");
    if (!isAllowedHost(host)) {
      return context.json(
        { error: `the host ${JSON.stringify(host)} is not allowed here: add it to HTTP_ALLOWED_HOSTS` },
        403,
      );
    }
    return publicJson(
      context,
      {
        health: healthReport(source),
        network: source.network,
        source: source.source,
        endpoints: source.endpoints(),
        sessions: source.sessions().map(shownSession),
      },
      200,
    );
  });

  app.get("/", (context) => {
    const nonce = crypto.randomUUID();
    return context.html(statusPage(source.service.name, nonce), 200, {
      ...NO_STORE,
      "Content-Security-Policy": `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    });
  });

  addFallbacks(app, options);
  return app;
}

/** Every request passes the gate, which a browser gets through by asking for name and password. */
function addGate(app: Hono, gate: Gate | undefined): void {
  if (gate === undefined) return;
  app.use(async (context, next) => {
    const header = context.req.header("authorization");
    try {
      await gate.identityFor({
        path: context.req.path,
        peer: (context.env as OpsEnv | undefined)?.peer ?? "",
        credentials: () => (header === undefined ? undefined : headerCredentials(header)),
      });
    } catch (thrown) {
      const { code, reason, message } = CodedError.from(thrown);
      const status = HTTP_STATUS[code] ?? 503;
      if (status === 401) context.header("WWW-Authenticate", 'Basic realm="contract-data", Bearer');
      return context.json({ error: message, reason }, status, NO_STORE);
    }
    await next();
  });
}

/** What answers where nothing else does: wrong methods, unknown paths, errors. */
function addFallbacks(app: Hono, options: OpsOptions): void {
  for (const path of PATHS) {
    app.all(path, (context) =>
      context.json({ error: `${context.req.method} is not allowed here: send GET or HEAD` }, 405, {
        Allow: "GET, HEAD",
      }),
    );
  }

  app.notFound((context) => context.json({ error: `nothing is here; there are ${PATHS.join(", ")}` }, 404));

  app.onError((error, context) => {
    options.onUnexpected?.(error);
    return context.json({ error: "an unexpected error; the server's log has the details" }, 500);
  });
}
