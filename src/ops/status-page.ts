/** The status page: one self-contained document that draws /status.json every two seconds. */

const REFRESH_MS = 2000;
const COLUMNS = 6; // of the sessions table

const STYLE = `
:root { color-scheme: light dark; --bg: #f6f7f9; --card: #ffffff; --text: #17191c; --dim: #667080; --line: #e3e6ea;
  --accent: #3b5bdb; --good: #18794e; --goodbg: #ddf3e4; --warn: #946800; --warnbg: #fff2c2; --bad: #cd2b31; --badbg: #ffe5e5; --code: #f0f2f5; }
@media (prefers-color-scheme: dark) { :root { --bg: #0f1114; --card: #181b20; --text: #e8eaed; --dim: #98a2b3; --line: #2a2f37;
  --accent: #7b93ff; --good: #63d297; --goodbg: #12301f; --warn: #f0c000; --warnbg: #342a06; --bad: #ff8589; --badbg: #3c1618; --code: #11141a; } }
[hidden] { display: none !important; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 12px; margin-bottom: 4px; }
h1 { font-size: 22px; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 13px; margin: 28px 0 10px; color: var(--dim); text-transform: uppercase; letter-spacing: 0.06em; font-weight: 600; }
.dim { color: var(--dim); }
.badge { display: inline-block; padding: 1px 9px; border-radius: 99px; font-size: 12.5px; font-weight: 600; background: var(--code); color: var(--dim); white-space: nowrap; }
.good { background: var(--goodbg); color: var(--good); } .warn { background: var(--warnbg); color: var(--warn); } .bad { background: var(--badbg); color: var(--bad); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow-x: auto; }
.pad { padding: 14px 16px; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 9px 14px; border-bottom: 1px solid var(--line); white-space: nowrap; }
tbody tr:last-child td { border-bottom: 0; }
th { font-size: 12.5px; color: var(--dim); font-weight: 600; }
td.number, th.number { text-align: right; }
tr.said td { border-bottom: 0; padding-bottom: 2px; }
td.message { white-space: normal; overflow-wrap: anywhere; color: var(--dim); padding-top: 0; } td.failed { color: var(--bad); }
code, pre { font: 13px/1.55 ui-monospace, monospace; }
pre { margin: 0; white-space: pre; }
progress { width: 90px; height: 6px; accent-color: var(--accent); vertical-align: middle; margin-left: 8px; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 12px; }
.label { font-size: 12.5px; color: var(--dim); }
.snippet { position: relative; }
button { position: absolute; top: 10px; right: 10px; font: inherit; font-size: 12.5px; padding: 2px 10px; border-radius: 6px; border: 1px solid var(--line); background: var(--card); color: var(--text); cursor: pointer; }
`;

const SCRIPT = `
const byId = (id) => document.getElementById(id);
const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const count = (value) => Number(value).toLocaleString("en");
const STATE_CLASS = { RUNNING: "good", STARTING: "warn", STOPPING: "warn", ERROR: "bad" };
const target = (endpoint) => {
  const everywhere = ["", "0.0.0.0", "::"].includes(endpoint.host);
  const host = everywhere ? location.hostname : endpoint.host.includes(":") ? "[" + endpoint.host + "]" : endpoint.host;
  return host + ":" + endpoint.port;
};
const age = (seconds) => seconds < 60 ? seconds + " s" : seconds < 3600 ? Math.floor(seconds / 60) + " min"
  : seconds < 86400 ? Math.floor(seconds / 3600) + " h" : Math.floor(seconds / 86400) + " d";

function sessionRows(session) {
  const said = session.message || (session.error && session.error.message);
  const row = make("tr", undefined, said ? "said" : "");
  const id = make("td");
  id.append(make("code", session.id));
  const state = make("td");
  state.append(make("span", session.state, "badge " + (STATE_CLASS[session.state] || "")));
  const { ledgerStart, ledgerEnd } = session.request;
  const ledger = make("td", session.ledgerCurrent || "–");
  if (ledgerEnd > 0) {
    ledger.append(make("span", " of " + ledgerEnd, "dim"));
    const bar = make("progress");
    bar.max = ledgerEnd - ledgerStart + 1;
    bar.value = session.ledgerCurrent ? session.ledgerCurrent - ledgerStart + 1 : 0;
    ledger.append(bar);
  }
  if (session.partitions) {
    id.append(make("div", session.partitions.length + " partitions, read by "
      + session.partitions.map((each) => each.clients).join(" + ") + " clients", "dim"));
  }
  row.append(id, state, ledger, make("td", count(session.entriesProcessed), "number"),
    make("td", count(Math.round(session.ratePerSecond)), "number"), make("td", count(session.clients), "number"));
  if (!said) return [row];
  const message = make("tr");
  const cell = make("td", said, "message" + (session.error ? " failed" : ""));
  cell.colSpan = ${COLUMNS};
  message.append(cell);
  return [row, message];
}

function componentCard(name, component) {
  const card = make("div", undefined, "card pad");
  const [text, className] = !component.healthy ? ["failing", "bad"] : component.ready ? ["ready", "good"] : ["not ready", "warn"];
  const title = make("div");
  title.append(make("strong", name), " ", make("span", text, "badge " + className));
  card.append(title, make("div", component.message, "dim"));
  return card;
}

function endpointCard(label, value) {
  const card = make("div", undefined, "card pad");
  card.append(make("div", label, "label"), make("code", value));
  return card;
}

function draw(status) {
  const { health } = status;
  const [text, className] = health.status !== "healthy" ? ["unhealthy", "bad"] : health.ready ? ["ready", "good"] : ["not ready", "warn"];
  byId("state").textContent = text;
  byId("state").className = "badge " + className;
  byId("about").textContent = "version " + health.version + " · up " + age(health.uptime_seconds) + " · " + status.network + " · " + status.source;
  const rows = status.sessions.flatMap(sessionRows);
  if (rows.length === 0) {
    const cell = make("td", "No sessions yet. Start one: contract-data-processor start --start-ledger N", "dim");
    cell.colSpan = ${COLUMNS};
    const row = make("tr");
    row.append(cell);
    rows.push(row);
  }
  byId("sessions").replaceChildren(...rows);
  byId("components").replaceChildren(...Object.entries(health.components).map(([name, component]) => componentCard(name, component)));
  const flightUrl = (status.endpoints.flight.tls ? "grpc+tls://" : "grpc://") + target(status.endpoints.flight);
  byId("endpoints").replaceChildren(
    endpointCard("Arrow Flight", flightUrl),
    endpointCard("Control plane (gRPC" + (status.endpoints.control.tls ? " over TLS" : "") + ", with reflection)", target(status.endpoints.control)),
    endpointCard("Prometheus", location.origin + "/metrics"));
  const newest = status.sessions.at(0);
  const path = newest ? ', "' + newest.id + '"' : "";
  const { tls, needsCert } = status.endpoints.flight;
  const address = '"' + flightUrl + '"' + (tls ? ', tls_root_certs=open("ca.pem").read()' : "")
    + (needsCert ? ', cert_chain=open("client.pem").read(), private_key=open("client.key").read()' : "");
  const snippet = [
    ...(newest?.partitions ? ["from concurrent.futures import ThreadPoolExecutor"] : []),
    "import pyarrow.flight as flight",
    "",
    "def read(endpoint):",
    "    for chunk in flight.connect(" + address + ").do_get(endpoint.ticket):",
    '        print(f"{chunk.data.num_rows} {chunk.data.schema.names[:3]}\\\\n", end="")  # one write: threads share the output',
    "",
    "client = flight.connect(" + address + ")",
    'info = client.get_flight_info(flight.FlightDescriptor.for_path("contract", "data"' + path + "))",
    ...(newest?.partitions
      ? [
          "with ThreadPoolExecutor(len(info.endpoints)) as pool:  # one endpoint a partition: side by side",
          "    list(pool.map(read, info.endpoints))",
        ]
      : ["for endpoint in info.endpoints:", "    read(endpoint)"]),
  ].join("\\n");
  if (byId("snippet").textContent !== snippet) byId("snippet").textContent = snippet;
}

async function refresh() {
  try {
    const response = await fetch("/status.json");
    if (!response.ok) throw new Error("HTTP " + response.status);
    draw(await response.json());
    byId("away").hidden = true;
  } catch (error) {
    byId("away").hidden = false;
    byId("away").textContent = "The server does not answer (" + error.message + "); what stands here is old.";
  }
  setTimeout(refresh, ${REFRESH_MS});
}

byId("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(byId("snippet").textContent);
  byId("copy").textContent = "Copied";
  setTimeout(() => { byId("copy").textContent = "Copy"; }, 1500);
});
refresh();
`;

/** The document. `nonce` is the one that its Content-Security-Policy names. */
export function statusPage(serviceName: string, nonce: string): string {
  const title = escapeHtml(serviceName);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
<main>
<header><h1>${title}</h1><span id="state" class="badge">loading</span></header>
<div id="about" class="dim">&nbsp;</div>
<p id="away" class="badge bad" hidden></p>
<h2>Sessions</h2>
<div class="card"><table>
<thead><tr><th>Session</th><th>State</th><th>Ledger</th><th class="number">Rows</th><th class="number">Rows/s</th><th class="number">Clients</th></tr></thead>
<tbody id="sessions"></tbody>
</table></div>
<h2>Components</h2>
<div id="components" class="grid"></div>
<h2>Endpoints</h2>
<div id="endpoints" class="grid"></div>
<h2>Read it with Python</h2>
<div class="card pad snippet"><pre id="snippet"></pre><button id="copy" type="button">Copy</button></div>
<noscript>This page needs JavaScript; the same as JSON: <a href="/status.json">/status.json</a></noscript>
</main>
<script nonce="${nonce}">${SCRIPT}</script>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
