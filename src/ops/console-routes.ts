/**
 * The console: a page with its own scripts, and what it draws as JSON. The page is open to everybody, and asks for a key where
 * the server wants one; nothing comes from elsewhere, and no text of a user becomes markup (trusted types).
 */
import { CodedError } from "../error.ts";
import type { Identity } from "../security/grant.ts";
import { CONSOLE_FILES } from "./console/files.ts";
import type { OpsContext, OpsHono } from "./ops-hono.ts";
import { publicValue } from "./public-text.ts";
import type { History } from "./session-history.ts";

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");
const NO_STORE = "no-store";

/** What the console asks of the process; each is called every few seconds for every open page. */
export interface ConsoleSource {
  overview(identity: Identity | undefined): Promise<object>;
  history(): History;
}

/** Adds the page and its files. */
export function addConsolePage(app: OpsHono): void {
  for (const [path, { type, text }] of Object.entries(CONSOLE_FILES)) {
    const headers = { "Content-Type": type, "Cache-Control": NO_STORE, "Content-Security-Policy": POLICY };
    app.get(path, (context) => context.body(text, 200, { ...headers, "Referrer-Policy": "no-referrer" }));
  }
}

/** Adds what it draws. */
export function addConsoleData(app: OpsHono, source: ConsoleSource): void {
  const json = (context: OpsContext, body: object) =>
    context.body(JSON.stringify(body, publicValue), 200, {
      "Content-Type": "application/json",
      "Cache-Control": NO_STORE,
    });
  app.get("/v1/overview", async (context) => json(context, await source.overview(context.get("identity"))));
  app.get("/v1/history", (context) => json(context, source.history()));
}

/**
 * A page of another origin may make a browser ask, also with what the browser knows of name and password.
 * @throws CodedError PERMISSION_DENIED / ORIGIN where a request comes from such a page
 */
export function checkOrigin(request: Request): void {
  const site = request.headers.get("sec-fetch-site");
  const origin = request.headers.get("origin");
  const isOwn = origin === null || hostOf(origin) === request.headers.get("host");
  if (isOwn && (site === null || site === "same-origin" || site === "none")) return;
  throw new CodedError(
    "PERMISSION_DENIED",
    "ORIGIN",
    `a page of ${origin ?? "another site"} asks, and only pages of this server may: use a program, or this server's own console`,
  );
}

function hostOf(origin: string): string {
  return origin.replace(/^[a-z]+:\/\//, "");
}
