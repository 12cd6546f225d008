/** The HTTP side for operators: health, readiness, metrics, the console. */
import { Hono, type MiddlewareHandler } from "hono";
import { compress } from "hono/compress";
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import { headerCredentials } from "../security/call-credentials.ts";
import type { Gate } from "../security/gate.ts";
import type { Identity } from "../security/grant.ts";
import type { Traces } from "../tracing/traces.ts";
import { allowedHosts } from "./allowed-hosts.ts";
import { addConsoleData, addConsolePage, type ConsoleSource, checkOrigin } from "./console-routes.ts";
import { API_ROOT, errorJson, httpStatusOf } from "./http-errors.ts";
import { METRICS_CONTENT_TYPE, metricsText } from "./metrics.ts";
import type { OpsContext, OpsHono, OpsTypes } from "./ops-hono.ts";
import { publicValue } from "./public-text.ts";
import { addressOf, requestPath } from "./request-path.ts";
import { requestSpans } from "./request-spans.ts";
import { sessionMetricsText } from "./session-metrics.ts";
import { shownSession } from "./shown-session.ts";
import { healthReport, type OpsSource } from "./status.ts";

/** Half a kilobyte, asked every second: compressing it would take thrice the time of the answer. */
const PROBED: ReadonlySet<string> = new Set(["/health", "/ready", "/readyz", "/livez"]);
const NO_STORE = { "Cache-Control": "no-store" } as const;

/** Every path that is served here; each answers GET and HEAD. */
export const PATHS = ["/", "/health", "/ready", "/readyz", "/livez", "/metrics", "/status.json"] as const;

interface OpsOptions {
  /** Absent: there are no traces. */
  traces?: Traces;
  /** Who may ask; absent: everybody. */
  gate?: Gate;
  /** Told of each error that a request ran into and that is not the client's. */
  onUnexpected?: (error: unknown) => void;
  /** Names under which browsers may read /status.json and what is below /v1/, beside this machine's own; HTTP_ALLOWED_HOSTS. */
  allowedHosts?: readonly string[];
  /** What the console draws; absent: its page is served alone. */
  console?: ConsoleSource;
  /** Adds routes behind the gate. */
  addRoutes?: (app: OpsHono) => void;
  /** Who is behind a ticket in the address. @throws CodedError */
  ticketIdentity?: (address: URL) => Identity | undefined;
}

function publicJson(context: OpsContext, body: unknown, status: 200 | 503): Response {
  return context.body(JSON.stringify(body, publicValue), status, { ...NO_STORE, "Content-Type": "application/json" });
}

/** Requests go to `app.fetch`, tests to `app.request`. An error of the source is answered with 500 and a sentence. */
export function createOpsApp(source: OpsSource, options: OpsOptions = {}): OpsHono {
  const app: OpsHono = new Hono<OpsTypes>({ getPath: requestPath });

  const gzip = compress({ encoding: "gzip" }); // 64 sessions make /metrics 200 kB of repeated names
  app.use((context, next) => (PROBED.has(context.req.path) ? next() : gzip(context, next)));
  app.use(async (context, next) => {
    await next();
    context.header("X-Content-Type-Options", "nosniff");
  });

  if (options.traces) app.use(requestSpans(options.traces));
  addGate(app, options);
  const hostCheck = hostChecker(options.allowedHosts ?? []);
  app.use("/status.json", hostCheck);
  app.use(`${API_ROOT}*`, hostCheck, async (context, next) => {
    checkOrigin(context.req.raw);
    await next();
  });
  options.addRoutes?.(app);

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
    return publicJson(
      context,
      {
        health: healthReport(source),
        network: source.network,
        source: source.source,
        endpoints: source.endpoints(),
        sessions: source.sessions().map(shownSession),
        nodes: source.nodes?.(),
      },
      200,
    );
  });

  addConsolePage(app);
  if (options.console !== undefined) addConsoleData(app, options.console);
  addFallbacks(app, options);
  return app;
}

/** Refuses browsers that may be carrying a stranger's page. */
function hostChecker(names: readonly string[]): MiddlewareHandler<OpsTypes> {
  const isAllowedHost = allowedHosts(names);
  return async (context, next) => {
    const host = context.req.header("host");
    if (!isAllowedHost(host)) {
      const message = `the host ${JSON.stringify(host)} is not allowed here: add it to HTTP_ALLOWED_HOSTS`;
      return refused(context, new CodedError("PERMISSION_DENIED", "HOST", message));
    }
    await next();
  };
}

/** Every request passes the gate, which a browser gets through by asking for name and password, or by a ticket. */
function addGate(app: OpsHono, { gate, ticketIdentity }: OpsOptions): void {
  if (gate === undefined) return;
  app.use(async (context, next) => {
    const header = context.req.header("authorization");
    const path = context.req.path;
    try {
      const identity = await gate.identityFor({
        path,
        peer: context.env?.peer ?? "",
        certificateName: context.env?.certificateName,
        ticketIdentity: () => (header === undefined ? ticketIdentity?.(addressOf(context.req.raw)) : undefined),
        credentials: () => (header === undefined ? undefined : headerCredentials(header)),
      });
      context.set("identity", identity);
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (error.code === "UNAUTHENTICATED") context.header("WWW-Authenticate", challengeOf(context));
      return refused(context, error);
    }
    await next();
  });
}

/** A browser that opens a page may ask for name and password; where a script asks, its page does that. */
function challengeOf(context: OpsContext): string {
  const isScript = (context.req.header("sec-fetch-mode") ?? "navigate") !== "navigate";
  return isScript ? "Bearer" : 'Basic realm="contract-data", Bearer';
}

/** The answer of an error, in the form of its path. */
function refused(context: OpsContext, error: CodedError): Response {
  const body = context.req.path.startsWith(API_ROOT)
    ? errorJson(error)
    : { error: error.message, reason: error.reason };
  return new Response(JSON.stringify(body), {
    status: httpStatusOf(error),
    headers: { ...Object.fromEntries(context.res.headers), ...NO_STORE, "Content-Type": "application/json" },
  });
}

/** What answers where nothing else does: wrong methods, unknown paths, errors. */
function addFallbacks(app: OpsHono, options: OpsOptions): void {
  for (const path of PATHS) {
    app.all(path, (context) =>
      context.json({ error: `${context.req.method} is not allowed here: send GET or HEAD` }, 405, {
        Allow: "GET, HEAD",
      }),
    );
  }

  app.notFound((context) => {
    const { path } = context.req;
    const message = `nothing is at ${quoted(path)}: there are ${PATHS.join(", ")}, and what /openapi.json describes`;
    return refused(context, new CodedError("NOT_FOUND", "PATH", message));
  });

  app.onError((error, context) => {
    if (error instanceof CodedError) return refused(context, error);
    options.onUnexpected?.(error);
    return context.json({ error: "an unexpected error; the server's log has the details" }, 500);
  });
}
