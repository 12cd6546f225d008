/** The live view of a session's rows, from its event stream. What it shows is in its address, so that it can be shared. */
import { ask } from "./client.js";
import { count, make, replace, section, shortId } from "./dom.js";

const ROWS_MAX = 400; // in the table; older ones go
const AGAIN_MS = 2000;
const DRAW_MS = 250; // between two changes of the table, which a fast stream would fill many times a second

/** @param query of the address: `from`, `shard`, `dataset`, `contract`, `text`, `deleted` */
export function rowsPage(id, query) {
  const filters = {
    contract: query.get("contract") ?? "",
    text: query.get("text") ?? "",
    deleted: query.get("deleted") ?? "",
  };
  const kept = [];
  let seen = 0;
  let matching = 0;
  let cursor = query.get("from") ?? "now";
  let events;
  let again;
  let isPaused = false;
  let isDirty = true;
  let chosen;
  const status = make("span", { class: "badge", role: "status" }, "connecting");
  const counts = make("span", { class: "dim" });
  const body = make("tbody");
  const details = make("div", { "aria-live": "polite" });
  const pause = make("button", { "aria-pressed": "false", onclick: () => setPaused(!isPaused) }, "Pause");

  const matches = (row) =>
    (filters.contract === "" || (row.value.contract_id ?? "").startsWith(filters.contract)) &&
    (filters.deleted === "" || String(isGone(row.value)) === filters.deleted) &&
    (filters.text === "" || row.text.toLowerCase().includes(filters.text.toLowerCase()));

  function setPaused(paused) {
    isPaused = paused;
    pause.textContent = paused ? "Continue" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
    if (paused) stop("paused");
    else void open(); // from the cursor on: nothing is missed
  }

  function stop(why) {
    clearTimeout(again);
    events?.close();
    events = undefined;
    status.textContent = why;
    status.className = why === "live" ? "badge good" : "badge";
  }

  async function open() {
    stop("connecting");
    const place = new URLSearchParams({ from: cursor, format: "sse", decoded: "true" });
    for (const name of ["shard", "dataset"]) if (query.has(name)) place.set(name, query.get(name));
    let url;
    try {
      ({ url } = await ask(`/v1/sessions/${encodeURIComponent(id)}/rows?${place}`, { method: "POST", body: {} }));
      if (isPaused) return;
      events = new EventSource(url);
    } catch (error) {
      failed(error.message);
      return;
    }
    events.onopen = () => {
      status.textContent = "live";
      status.className = "badge good";
    };
    events.onmessage = ({ data, lastEventId }) => {
      cursor = lastEventId;
      for (const text of data.split("\n")) add(text);
    };
    events.addEventListener("progress", ({ lastEventId }) => {
      cursor = lastEventId;
    });
    events.addEventListener("end", () => stop("complete: every row has come"));
    events.addEventListener("error", ({ data }) => {
      if (data !== undefined) failed(JSON.parse(data).message);
      else if (events?.readyState === EventSource.CLOSED) void refusalOf(url).then(failed);
    });
  }

  function failed(message) {
    stop(message);
    status.className = "badge bad";
    if (!isPaused) again = setTimeout(open, AGAIN_MS);
  }

  function add(text) {
    const row = { text, value: JSON.parse(text), number: ++seen };
    isDirty = true;
    if (!matches(row)) return;
    matching++;
    kept.unshift(row);
    if (kept.length > ROWS_MAX) kept.pop();
  }

  function draw() {
    if (!isDirty) return;
    isDirty = false;
    counts.textContent = `${count(seen)} rows have come, ${count(matching)} of them match`;
    const none = make("tr", {}, make("td", { colspan: 6, class: "dim" }, "No rows yet: they come as ledgers close."));
    replace(body, kept.length === 0 ? none : kept.map(line));
  }

  function line(row) {
    const { value, number } = row;
    const show = make(
      "button",
      { class: "plain", onclick: () => choose(row), "aria-label": `details of row ${number}` },
      String(value.ledger_sequence),
    );
    return make(
      "tr",
      {
        "data-key": number,
        class: isGone(value) ? "deleted" : undefined,
        "aria-selected": row === chosen ? "true" : undefined,
      },
      make("td", { class: "number" }, show),
      make("td", { title: value.contract_id ?? "" }, make("code", {}, shortId(value.contract_id ?? ""))),
      make("td", { class: "cut" }, make("code", {}, keyText(value))),
      make("td", { class: "cut" }, make("code", {}, valueText(value))),
      make("td", {}, value.asset_code ?? ""),
      make("td", {}, isGone(value) ? make("span", { class: "badge warn" }, "deleted") : ""),
    );
  }

  function choose(row) {
    chosen = row;
    isDirty = true;
    draw();
    const facts = Object.entries(row.value).filter(([name, value]) => value !== null && !DECODED.includes(name));
    details.replaceChildren(
      section(
        `Row of ledger ${row.value.ledger_sequence}`,
        "row",
        make(
          "div",
          { class: "grid" },
          ...DECODED.filter((name) => row.value[name] !== undefined && row.value[name] !== null).map((name) =>
            make(
              "div",
              { class: "card pad" },
              make("h3", {}, name === "key_json" ? "Key" : "Value"),
              make("pre", { class: "scroll tall", tabindex: 0 }, JSON.stringify(row.value[name], null, 1)),
            ),
          ),
        ),
        make(
          "dl",
          { class: "card pad facts" },
          facts.map(([name, value]) =>
            make("div", {}, make("dt", {}, name), make("dd", {}, make("code", {}, String(value)))),
          ),
        ),
      ),
    );
    details.scrollIntoView({ block: "nearest" });
  }

  function filterChanged() {
    const next = new URLSearchParams(query);
    for (const [name, value] of Object.entries(filters)) {
      if (value === "") next.delete(name);
      else next.set(name, value);
    }
    const rest = String(next);
    window.history.replaceState(null, "", `#/sessions/${encodeURIComponent(id)}/rows${rest === "" ? "" : `?${rest}`}`);
    const left = kept.filter(matches);
    kept.splice(0, kept.length, ...left);
    matching = left.length;
    isDirty = true;
  }

  const input = (name, label, placeholder) => {
    const field = make("input", { placeholder, spellcheck: "false", autocomplete: "off" });
    field.value = filters[name];
    field.addEventListener("input", () => {
      filters[name] = field.value.trim();
      filterChanged();
    });
    return make("label", {}, label, field);
  };
  const deleted = make(
    "select",
    {},
    make("option", { value: "" }, "all"),
    make("option", { value: "false" }, "not deleted"),
    make("option", { value: "true" }, "deleted"),
  );
  deleted.value = filters.deleted;
  deleted.addEventListener("change", () => {
    filters.deleted = deleted.value;
    filterChanged();
  });
  const [part, parts = 0] = (query.get("shard") ?? "").split("/").map(Number);
  const partition = make(
    "select",
    {},
    Array.from({ length: parts }, (_, index) => make("option", {}, String(index))),
  );
  partition.value = String(part);
  partition.addEventListener("change", () => {
    query.set("shard", `${partition.value}/${parts}`);
    location.hash = `#/sessions/${encodeURIComponent(id)}/rows?${query}`;
  });
  const columns = ["Ledger", "Contract", "Key", "Value", "Asset", ""];
  const timer = setInterval(draw, DRAW_MS);
  void open();
  draw();
  return {
    title: `Rows of session ${id}`,
    nodes: [
      section(
        "Live rows",
        "rows",
        make(
          "div",
          { class: "line" },
          make("a", { href: `#/sessions/${encodeURIComponent(id)}` }, make("code", {}, shortId(id))),
          status,
          counts,
        ),
        make(
          "div",
          { class: "card pad fields" },
          input("contract", "Contract", "C…, or its beginning"),
          input("text", "Text in the row", "KALE"),
          make("label", {}, "Deleted", deleted),
          parts > 1 ? make("label", {}, "Partition", partition) : undefined,
          make("div", { class: "buttons" }, pause),
        ),
        make(
          "div",
          { class: "card scroll rows", tabindex: 0, role: "region", "aria-label": "Rows, the newest first" },
          make(
            "table",
            {},
            make(
              "thead",
              {},
              make(
                "tr",
                {},
                columns.map((name, index) =>
                  make("th", { scope: "col", class: index === 0 ? "number" : undefined }, name),
                ),
              ),
            ),
            body,
          ),
        ),
      ),
      details,
    ],
    update() {},
    leave() {
      clearInterval(timer);
      stop("left");
      isPaused = true; // a ticket that is on its way opens nothing
    },
  };
}

/** Why an event stream was refused, which an EventSource does not say. */
async function refusalOf(url) {
  try {
    const response = await fetch(url);
    if (!response.ok) return (await response.json()).error.message;
    await response.body?.cancel();
    return "the stream has ended";
  } catch (error) {
    return error.message;
  }
}

const DECODED = ["key_json", "val_json"];

/** Keys and values come decoded, whatever the session's schema version is; a row without one has none. */
const keyText = ({ key_json }) => JSON.stringify(key_json ?? null);
const valueText = ({ val_json, live_until_ledger }) => {
  if (live_until_ledger !== undefined) return live_until_ledger === null ? "" : `lives until ${live_until_ledger}`;
  return val_json === null || val_json === undefined ? "" : JSON.stringify(val_json);
};
/** A row of ttl whose entry went has no last ledger. */
const isGone = ({ deleted, live_until_ledger }) => deleted ?? live_until_ledger === null;
