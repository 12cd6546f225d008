/** The console: one page for each address behind the #, drawn anew every two seconds while somebody looks. */
import { ask, hasLogin, logIn, logOut, Refused } from "./client.js";
import { age, byId, make, replace } from "./dom.js";
import { overviewPage } from "./overview.js";
import { rowsPage } from "./rows.js";
import { sessionPage } from "./session.js";

const REFRESH_MS = 2000;
const HISTORY_MS = 10_000;

let page;
let overview;
let history;
let historyAt = Number.NEGATIVE_INFINITY;
let asked = 0;

/** `#/`, `#/sessions/ID`, `#/sessions/ID/rows?…` */
function pageOf(hash) {
  const [path, query] = hash.replace(/^#/, "").split("?");
  const [, id, rows] = /^\/sessions\/([^/]+)(\/rows)?$/.exec(path) ?? [];
  if (id === undefined) return overviewPage();
  const name = unescaped(id);
  return rows ? rowsPage(name, new URLSearchParams(query)) : sessionPage(name);
}

/** What somebody wrote after a % may be no escape. */
function unescaped(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function show() {
  page?.leave?.();
  page = pageOf(location.hash);
  document.title = `${page.title} · ${overview?.service.name ?? "Contract data"}`;
  byId("main").replaceChildren(...page.nodes);
  if (overview !== undefined) page.update(overview, history);
}

function drawHead({ service, health, startedUnixMs, nowUnixMs, you }) {
  byId("name").textContent = service.name;
  const [text, level] =
    health.status !== "healthy" ? ["unhealthy", "bad"] : health.ready ? ["ready", "good"] : ["not ready", "warn"];
  byId("state").textContent = text;
  byId("state").className = `badge ${level}`;
  const about = make("span", { class: "dim" }, `${service.version} · up ${age((nowUnixMs - startedUnixMs) / 1000)}`);
  const isNobody = you?.role === "none";
  const enter = isNobody
    ? make("button", { class: "plain", onclick: () => logIn("").then(refresh), "data-key": "in" }, "Log in")
    : undefined;
  const who = you && !isNobody ? make("span", {}, `${you.name} (${you.role})`) : undefined;
  const out = hasLogin()
    ? make("button", { class: "plain", onclick: logOut, "data-key": "out" }, "Log out")
    : undefined;
  replace(byId("nav"), about, who, enter, out);
}

async function refresh() {
  const turn = ++asked;
  try {
    const answer = await ask("/v1/overview");
    if (turn !== asked) return; // somebody has asked again, and hears what is newer
    overview = answer;
    if (performance.now() - historyAt > HISTORY_MS) {
      history = await ask("/v1/history");
      historyAt = performance.now();
    }
    drawHead(overview);
    page.update(overview, history);
    byId("away").hidden = true;
  } catch (error) {
    const isUnknown = error instanceof Refused && error.status === 401;
    byId("away").hidden = isUnknown;
    byId("away").textContent =
      error instanceof Refused ? error.message : `The server does not answer (${error.message}). What is shown is old.`;
    if (!isUnknown) return;
    await logIn(hasLogin() ? error.message : "This server asks who you are.");
    await refresh();
  }
}

async function run() {
  for (;;) {
    if (!document.hidden || overview === undefined) await refresh();
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
  }
}

window.addEventListener("hashchange", () => {
  show();
  byId("main").focus();
  void refresh();
});
window.addEventListener("changed", () => void refresh());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void refresh();
});
show();
void run();
