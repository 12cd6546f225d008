/** The page of one session: how it goes on, who reads it, its filters, and what may be done with it. */
import { ask, confirmed, jsonOf } from "./client.js";
import { age, bytes, count, make, replace, section, stateBadge } from "./dom.js";
import { charts, labelList, mayChange, progress, streams } from "./overview.js";

const ACTIVE = ["STARTING", "RUNNING", "STOPPING"];

export function sessionPage(id) {
  const [head, live] = [make("div"), make("div")];
  const actions = make("div", { class: "buttons" });
  const editor = make("div");
  const said = make("p", { role: "status" });
  let shown = "";
  let isKnown; // not yet told where the page has come before the news of a session that has just been started
  const act = async (what, path, method, question) => {
    if (question && !(await confirmed(question[0], question[1], what))) return;
    try {
      await ask(`/v1/sessions/${encodeURIComponent(id)}${path}`, { method, body: method === "POST" ? {} : undefined });
      said.className = "";
      said.textContent = `${what}: done`;
      window.dispatchEvent(new Event("changed"));
      if (method === "DELETE") location.hash = "#/";
    } catch (error) {
      said.className = "failed";
      said.textContent = error.message;
    }
  };
  const button = (what, path, method, question) =>
    make("button", { onclick: () => act(what, path, method, question), class: question ? "danger" : undefined }, what);
  return {
    title: `Session ${id}`,
    nodes: [head, actions, said, live, editor],
    update(overview, history) {
      const session = overview.sessions.find((each) => each.id === id);
      if (session === undefined) {
        if (isKnown === undefined) replace(head, make("p", { class: "notice" }, "Looking for the session …"));
        else replace(head, make("p", { class: "notice bad" }, `There is no session ${id}.`));
        isKnown ??= false;
        replace(live);
        actions.replaceChildren();
        editor.replaceChildren();
        return;
      }
      replace(head, heading(session));
      replace(live, facts(session, overview, history));
      const isActive = ACTIVE.includes(session.state);
      const wanted = JSON.stringify([mayChange(overview), isActive]);
      if (wanted === shown) return;
      shown = wanted;
      const changes = !mayChange(overview)
        ? []
        : isActive
          ? [
              button("Stop", "/stop", "POST", [
                "Stop this session?",
                "Its clients get what has been decoded, then their streams end.",
              ]),
            ]
          : [
              button("Resume", "/resume", "POST"),
              button("Delete", "", "DELETE", [
                "Delete this session?",
                "Its record and its cursors end; rows can be read as a range.",
              ]),
            ];
      actions.replaceChildren(
        ...(session.request.datasets ?? ["contract_data"]).map((dataset) => liveRows(session, dataset)),
        ...changes,
      );
      editor.replaceChildren(...(mayChange(overview) && isActive ? [filterForm(session)] : []));
    },
  };
}

function liveRows({ id, request: { partitions } }, dataset) {
  const isMain = dataset === "contract_data";
  const query = [...(partitions > 1 ? [`shard=0/${partitions}`] : []), ...(isMain ? [] : [`dataset=${dataset}`])].join(
    "&",
  );
  const href = `#/sessions/${encodeURIComponent(id)}/rows${query === "" ? "" : `?${query}`}`;
  return make(
    "a",
    { class: isMain ? "button primary" : "button", href },
    isMain ? "Live rows" : `Live rows of ${dataset}`,
  );
}

function heading(session) {
  const { id, state, message, error, sourceWait } = session;
  const said = error ? `${error.reason}: ${error.message}` : sourceWait ? sourceWait.error.message : message;
  return section(
    "Session",
    "session",
    make("div", { class: "line" }, make("code", { class: "id" }, id), stateBadge(state)),
    labelList(session),
    said ? make("p", { class: error || sourceWait ? "notice bad" : "notice" }, said) : undefined,
  );
}

function facts(session, overview, history) {
  const { id, request, retainedBytes, activeMs, resumes, rowsDelivered, bytesDelivered } = session;
  const list = [
    ["Source", session.source],
    ["Schema version", String(request.schemaVersion ?? 1)],
    ["Partitions", request.partitions ? String(request.partitions) : "none"],
    ["Compression", request.compression ?? "none"],
    ["Active for", age(activeMs / 1000)],
    ["Resumed", resumes === 0 ? "never" : resumes === 1 ? "once" : `${resumes} times`],
    ["Delivered", `${count(rowsDelivered)} rows, ${bytes(bytesDelivered)}`],
    ["Left out by filters", `${count(session.entriesSkipped)} rows`],
    ["Retained", bytes(retainedBytes)],
    ["Started by", request.owner ?? "–"],
  ];
  return [
    make("div", { class: "card pad below" }, progress(session), charts(session, history)),
    make(
      "dl",
      { class: "card pad facts" },
      list.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))),
    ),
    section("Filters", "filters", make("pre", { class: "card pad scroll", tabindex: 0 }, filterText(request.filter))),
    streams(
      overview.streams.filter((each) => each.session === id),
      "It has no client.",
    ),
  ];
}

/** A filter by the names of a ticket's keys; what selects everything is left out. */
function filterText(filter = {}) {
  const keys = { balanceMin: "min_balance" };
  const snake = (name) => keys[name] ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const given = Object.entries(filter).filter(
    ([, value]) => value !== undefined && value !== "" && value !== 0 && !(Array.isArray(value) && value.length === 0),
  );
  return JSON.stringify(Object.fromEntries(given.map(([name, value]) => [snake(name), value])), null, 1);
}

function filterForm({ id, request }) {
  const said = make("p", { role: "status" });
  const text = make("textarea", { rows: 5, spellcheck: "false", "aria-label": "Filters as JSON" });
  text.value = filterText(request.filter);
  const form = make(
    "form",
    { class: "card pad fields" },
    make("label", { class: "whole" }, "Filters from the next ledger on, as JSON", text),
    make("div", { class: "buttons whole" }, make("button", {}, "Change filters"), said),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const { applied } = await ask(`/v1/sessions/${encodeURIComponent(id)}/filters`, {
        method: "POST",
        body: { filters: jsonOf(text.value) },
      });
      said.className = "";
      said.textContent = `changed: they apply from ledger ${applied[0].ledgerFrom}`;
    } catch (error) {
      said.className = "failed";
      said.textContent = error.message;
    }
  });
  return section("Change filters", "change", form);
}
