/** The first page: everything at a glance. */
import { bar, chart } from "./charts.js";
import { ask, jsonOf } from "./client.js";
import { age, bytes, count, make, replace, section, shortId, stateBadge, table } from "./dom.js";

const UNREAD_MS_MIN = 1000; // a client that reads takes each batch within milliseconds
const LEVELS = ["debug", "info", "warn", "error"];
const FIELDS = [
  ["start_ledger", "First ledger", "number", true],
  ["end_ledger", "Last ledger (0: follow the source)", "number", false],
  ["schema_version", "Schema version", "number", false],
  ["partitions", "Partitions", "number", false],
  ["source", "Source (a name from SOURCES)", "text", false],
];

export const mayChange = ({ you }) => you === undefined || you.role === "operator" || you.role === "admin";

const mayAdminister = ({ you }) => you === undefined || you.role === "admin";

/** Where a Flight client reaches an endpoint, seen from this browser. */
function target({ host, port }) {
  const everywhere = ["", "0.0.0.0", "::"].includes(host);
  const name = everywhere ? location.hostname : host.includes(":") ? `[${host}]` : host;
  return `${name}:${port}`;
}

export function overviewPage() {
  const live = make("div");
  const [start, log] = [make("div"), make("div")];
  const shown = {};
  /** Draws a form where it has changed: what somebody is typing stays. */
  const form = (place, name, wanted, content) => {
    if (shown[name] === wanted) return;
    shown[name] = wanted;
    place.replaceChildren(...content());
  };
  return {
    title: "Overview",
    nodes: [live, start, log],
    update(overview, history) {
      replace(
        live,
        problems(overview),
        sessions(overview, history),
        streams(overview.streams),
        sources(overview),
        nodes(overview),
        work(overview),
        memory(overview.memory),
        places(overview),
      );
      const level = mayAdminister(overview) ? overview.logLevel : undefined;
      form(start, "start", mayChange(overview), () => (mayChange(overview) ? [startForm()] : []));
      form(log, "log", level, () => (level === undefined ? [] : [logForm(level)]));
    },
  };
}

function problems({ health, sessions, counts }) {
  const parts = Object.entries(health.components)
    .filter(([, { healthy, ready }]) => !healthy || !ready)
    .map(([name, { healthy, message }]) => [healthy ? "warn" : "bad", name, message]);
  const failed = sessions
    .filter(({ error }) => error)
    .map(({ id, error }) => [
      "bad",
      make("a", { href: `#/sessions/${encodeURIComponent(id)}` }, shortId(id)),
      `${error.reason}: ${error.message}`,
    ]);
  const all = [...parts, ...failed];
  const numbers = [
    ["errors", counts.errors],
    ["ledgers left out", counts.ledgersSkipped],
    ["slow clients ended", counts.slowClientsEnded],
    ["reads failed", counts.getsFailed],
  ].filter(([, value]) => value > 0);
  const since = numbers.map(([name, value]) => `${count(value)} ${name}`).join(", ");
  return section(
    "Errors",
    "errors",
    all.length === 0 ? make("p", { class: "notice good" }, "No problems now.") : undefined,
    all.map(([level, where, what]) => make("p", { class: `notice ${level}` }, make("strong", {}, where), " ", what)),
    since === "" ? undefined : make("p", { class: "dim" }, `Since the start: ${since}.`),
  );
}

function sessions({ sessions: list }, history) {
  if (list.length === 0)
    return section("Sessions", "sessions", make("p", { class: "card pad dim" }, "No sessions yet."));
  return section(
    "Sessions",
    "sessions",
    make(
      "div",
      { class: "grid wide" },
      list.map((each) => sessionCard(each, history)),
    ),
  );
}

function sessionCard(session, history) {
  const { id, state, clients, message, error } = session;
  const said = message || error?.message;
  return make(
    "article",
    { class: "card pad", "aria-label": `session ${id}`, "data-key": id },
    make(
      "div",
      { class: "line" },
      make("a", { href: `#/sessions/${encodeURIComponent(id)}`, title: id }, make("code", {}, shortId(id))),
      stateBadge(state),
      make("span", { class: "dim" }, `${count(clients)} ${clients === 1 ? "client" : "clients"}`),
    ),
    labelList(session),
    progress(session),
    charts(session, history),
    said ? make("p", { class: error ? "said failed" : "said" }, said) : undefined,
  );
}

export function labelList({ request }) {
  const labels = Object.entries(request.labels ?? {});
  return labels.length === 0
    ? undefined
    : make(
        "div",
        { class: "labels" },
        labels.map(([name, value]) => make("span", { class: "label" }, `${name}=${value}`)),
      );
}

export function progress({ request, ledgerCurrent, ledgerTip, entriesProcessed }) {
  const { ledgerStart, ledgerEnd } = request;
  const end = ledgerEnd || ledgerTip;
  const goal = ledgerEnd > 0 ? ` of ${ledgerEnd}` : ledgerTip > 0 ? `, tip ${ledgerTip}` : "";
  const done = ledgerCurrent > 0 ? ledgerCurrent - ledgerStart + 1 : 0;
  return make(
    "div",
    { class: "progress" },
    make(
      "div",
      { class: "line" },
      make("span", {}, `ledger ${ledgerCurrent || "–"}`, make("span", { class: "dim" }, goal)),
      make("span", { class: "dim" }, `${count(entriesProcessed)} rows`),
    ),
    end > 0
      ? make("progress", { max: Math.max(1, end - ledgerStart + 1), value: done, "aria-label": "progress" })
      : undefined,
  );
}

export function charts({ id }, history) {
  const { rates = [], lags = [] } = history?.sessions[id] ?? {};
  return make(
    "div",
    { class: "charts" },
    chart("rows/s", rates, (value) => count(Math.round(value))),
    chart("lag", lags, age),
  );
}

export function streams(list, empty = "No stream is open.") {
  const rows = list.flatMap((stream) => {
    const { session, range, kind, clients, full } = stream;
    const most = Math.max(0, ...clients.map(({ unread_ms }) => unread_ms));
    const name = () =>
      session
        ? make("a", { href: `#/sessions/${encodeURIComponent(session)}` }, shortId(session))
        : shortId(range ?? "");
    if (clients.length === 0) return [[name(), kind, make("span", { class: "dim" }, "no client"), "", "", "", "", ""]];
    return clients.map((client) => [
      name(),
      client.partition === undefined ? kind : `${kind}, partition ${client.partition}`,
      client.peer,
      client.mode === "catchingUp" ? "catching up" : "following",
      count(client.rows),
      `${count(client.lag_ledgers)} / ${bytes(client.lag_bytes)}`,
      age(client.blocked_ms / 1000),
      full && most > UNREAD_MS_MIN && client.unread_ms === most
        ? make("span", { class: "badge bad" }, `holds the stream up, ${age(most / 1000)}`)
        : client.unread_ms > UNREAD_MS_MIN
          ? make("span", { class: "badge warn" }, `reads nothing, ${age(client.unread_ms / 1000)}`)
          : "",
    ]);
  });
  const columns = ["Stream", "Kind", "Client", "Mode", "#Rows", "#Behind", "#Waited for", ""];
  return section("Streams and clients", "streams", table("Streams and clients", columns, rows, empty));
}

function sources({ source, sessions: list, health, nowUnixMs }) {
  const names = [...new Set([source, ...list.map((each) => each.source)])];
  const rows = names.map((name) => {
    const users = list.filter((each) => each.source === name && !["STOPPED", "ERROR"].includes(each.state));
    const waits = users.filter(({ sourceWait }) => sourceWait);
    const tip = Math.max(0, ...users.map(({ ledgerTip }) => ledgerTip));
    const [first] = waits;
    const said = first
      ? `ledger ${first.sourceWait.ledger}, for ${age((nowUnixMs - first.sourceWait.sinceUnixMs) / 1000)}: ${first.sourceWait.error.message}`
      : name === source && health.components.source?.ready === false
        ? health.components.source.message
        : "nothing";
    return [
      name,
      count(users.length),
      tip > 0 ? String(tip) : "–",
      make("span", { class: first ? "failed" : "" }, said),
    ];
  });
  return section("Sources", "sources", table("Sources", ["Source", "#Sessions", "#Tip", "Waits for"], rows, ""));
}

/** Nothing where CLUSTER is not set. */
function nodes({ nodes: list, nowUnixMs }) {
  if (list === undefined) return [];
  const rows = list.map(
    ({ nodeId, flightLocation, version, startedAtMs, sessions: active, streams: open, silentMs, self }) => [
      nodeId,
      make("code", {}, flightLocation),
      version,
      count(active),
      count(open),
      age((nowUnixMs - startedAtMs) / 1000),
      self ? "this one" : `${age(silentMs / 1000)} ago`,
    ],
  );
  const columns = ["Node", "Arrow Flight", "Version", "#Sessions", "#Streams", "#Up for", "Last heard"];
  return section("Nodes", "nodes", table("Nodes", columns, rows, "No node is known."));
}

const STAGE_WORDS = {
  inflate: "inflate",
  decode: "decode",
  encode: "encode",
  hub: "put in order",
  outputWait: "wait for readers",
  inputWait: "wait for work",
  sourceWait: "wait for the source",
  creditWait: "wait for room",
};

/** A box with a heading, a line below it, and what it is about. */
function panel(heading, line, content) {
  return make("div", { class: "card pad" }, make("h3", {}, heading), make("p", { class: "dim" }, line), content);
}

function work({ workers, stages }) {
  const parts = (names, seconds) =>
    names.map((name) => [STAGE_WORDS[name], seconds[name] ?? 0, age(seconds[name] ?? 0)]);
  return section(
    "Workers and stages",
    "stages",
    make(
      "div",
      { class: "grid" },
      panel(
        "Where a ledger's time goes",
        "CPU time since the start",
        bar("CPU time", parts(["inflate", "decode", "encode", "hub"], stages?.cpu ?? {})),
      ),
      panel(
        "What they wait for",
        `${workers} decode ${workers === 1 ? "worker" : "workers"}, the source and the streams`,
        bar("waiting", parts(["sourceWait", "creditWait", "outputWait", "inputWait"], stages?.wall ?? {})),
      ),
    ),
  );
}

function memory(plan) {
  const { limitBytes, residentBytes, streamsBytesMax, retainedBytes, inFlightBytesMax, ringsBytes } = plan;
  const { rowReadersBytesMax } = plan;
  const restBytes = Math.max(0, limitBytes - streamsBytesMax - inFlightBytesMax - ringsBytes - rowReadersBytesMax);
  return section(
    "Memory",
    "memory",
    make(
      "div",
      { class: "grid" },
      panel(
        `${bytes(residentBytes)} of ${bytes(limitBytes)}`,
        "resident memory, of MAX_MEMORY_MB",
        make("progress", { max: limitBytes, value: residentBytes, "aria-label": "resident memory" }),
      ),
      panel(
        "The plan",
        `streams hold ${bytes(retainedBytes)} of their ${bytes(streamsBytesMax)}`,
        bar(
          "plan",
          [
            ["streams", streamsBytesMax, bytes(streamsBytesMax)],
            ["ledgers in flight", inFlightBytesMax, bytes(inFlightBytesMax)],
            ["rings", ringsBytes, bytes(ringsBytes)],
            ["readers over HTTP", rowReadersBytesMax, bytes(rowReadersBytesMax)],
            ["process", restBytes, bytes(restBytes)],
          ],
          limitBytes,
        ),
      ),
    ),
  );
}

function places({ endpoints, network, sessions: [newest] }) {
  const flight = `${endpoints.flight.tls ? "grpc+tls" : "grpc"}://${target(endpoints.flight)}`;
  const code = newest ? pythonOf(flight, endpoints.flight, newest) : undefined;
  const box = (label, value) =>
    make("div", { class: "card pad" }, make("div", { class: "dim" }, label), make("code", {}, value));
  return section(
    "Where to connect",
    "places",
    make(
      "div",
      { class: "grid" },
      box("Arrow Flight", flight),
      box("Control plane (gRPC)", target(endpoints.control)),
      box("Rows and metrics over HTTP", location.origin),
      box("Network", network),
    ),
    code
      ? make("pre", { class: "card pad scroll", tabindex: 0, "aria-label": "The newest session from Python" }, code)
      : undefined,
  );
}

/** How the newest session is read with pyarrow. */
export function pythonOf(address, { tls, needsCert }, { id, partitions }) {
  const certificates = `${tls ? ', tls_root_certs=open("ca.pem").read()' : ""}${needsCert ? ', cert_chain=open("client.pem").read(), private_key=open("client.key").read()' : ""}`;
  return [
    "import pyarrow.flight as flight",
    "",
    `client = flight.connect("${address}"${certificates})`,
    `info = client.get_flight_info(flight.FlightDescriptor.for_path("contract", "data", "${id}"))`,
    `for endpoint in info.endpoints:${partitions ? "  # one a partition: a consumer reads its own" : ""}`,
    "    for chunk in client.do_get(endpoint.ticket):",
    "        print(chunk.data.num_rows, chunk.data.schema.names[:3])",
  ].join("\n");
}

function startForm() {
  const said = make("p", { role: "status" });
  const inputs = FIELDS.map(([name, label, type, required]) =>
    make(
      "label",
      {},
      label,
      make("input", { name, type, required, min: type === "number" ? 0 : undefined, autocomplete: "off" }),
    ),
  );
  const filters = make("textarea", {
    name: "filters",
    rows: 2,
    spellcheck: "false",
    placeholder: '{"asset_codes":["KALE"]}',
  });
  const form = make(
    "form",
    { class: "card pad fields" },
    inputs,
    make("label", { class: "whole" }, "Filters as JSON (empty: the server's)", filters),
    make("div", { class: "buttons whole" }, make("button", { class: "primary" }, "Start"), said),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const body = {};
      for (const [name, , type] of FIELDS) {
        const { value } = form.elements[name];
        if (value !== "") body[name] = type === "number" ? Number(value) : value;
      }
      if (filters.value.trim() !== "") body.filters = jsonOf(filters.value);
      const { id } = await ask("/v1/sessions", { method: "POST", body });
      form.reset();
      location.hash = `#/sessions/${encodeURIComponent(id)}`;
    } catch (error) {
      said.className = "failed";
      said.textContent = error.message;
    }
  });
  return section("Start a session", "start", form);
}

function logForm(level) {
  const said = make("p", { role: "status" });
  const select = make(
    "select",
    { "aria-label": "Level of the log" },
    LEVELS.map((name) => make("option", {}, name)),
  );
  select.value = level;
  select.addEventListener("change", async () => {
    try {
      await ask("/v1/log-level", { method: "POST", body: { level: select.value } });
      said.className = "";
      said.textContent = "changed, until the server starts again";
    } catch (error) {
      said.className = "failed";
      said.textContent = error.message;
    }
  });
  return section("Log", "log", make("div", { class: "card pad fields" }, make("label", {}, "Level", select), said));
}
