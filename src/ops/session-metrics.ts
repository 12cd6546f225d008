/** The metrics of single sessions: bounded in number and in labels, since every value of a label is kept by who scrapes. */
import type { SessionSnapshot } from "../sessions/session-service.ts";
import { isEnded } from "../sessions/states.ts";
import { DATASET_DEFAULT } from "../vocabulary/dataset.ts";
import { head, label, number } from "./metrics.ts";

/** Sessions that are not over, newest first: some twenty times SESSIONS_MAX' default would be no page any more. */
export const SESSIONS_SHOWN_MAX = 200;

/** Sessions that are over: the newest ones, so that a failure can still be seen and alerted on. */
export const ENDED_SESSIONS_SHOWN_MAX = 20;

/** A session's own labels that are shown, as `label_<name>`. */
export const OWN_LABELS_MAX = 8;
const OWN_LABEL_NAME = /^[a-zA-Z0-9_]{1,64}$/; // anything else would be no label's name
const OWN_LABEL_LENGTH_MAX = 128; // of a value; a longer one is left out

type Kind = "counter" | "gauge";
type Metric = readonly [name: string, kind: Kind, help: string, value: (session: SessionSnapshot) => number];

/** @param sessions newest first */
export function sessionMetricsText(sessions: readonly SessionSnapshot[], nowUnixMs: number): string {
  const own = sessions.filter(({ elsewhere }) => elsewhere === undefined); // the others are in their nodes' metrics
  const shown = [
    ...own.filter(({ state }) => !isEnded(state)).slice(0, SESSIONS_SHOWN_MAX),
    ...own.filter(({ state }) => isEnded(state)).slice(0, ENDED_SESSIONS_SHOWN_MAX),
  ].map((session) => ({ session, labels: labelsOf(session) }));
  if (shown.length === 0) return "";
  const metrics: Metric[] = [
    [
      "current_ledger",
      "gauge",
      "Last ledger whose rows are all made; 0 before the first.",
      (each) => each.ledgerCurrent,
    ],
    ["tip_ledger", "gauge", "Newest ledger of its source; 0 where that is not known.", (each) => each.ledgerTip],
    ["lag_seconds", "gauge", "Age of the current ledger's close time.", (each) => each.lagSeconds],
    [
      "ledgers_skipped_total",
      "counter",
      "Ledgers that it left out because they could not be decoded (ON_ERROR=skip), over its whole life.",
      (each) => each.ledgersSkipped,
    ],
    [
      "rows_total",
      "counter",
      "Rows that it has put into batches, all partitions and datasets together, over its whole life.",
      (each) => each.entriesProcessed,
    ],
    ["source_waiting", "gauge", "1 while its source fails and is tried again.", (each) => (each.sourceWait ? 1 : 0)],
    [
      "idle_seconds",
      "gauge",
      "Time since its last ledger, or since its state changed where that is later.",
      (each) => Math.max(0, nowUnixMs - each.updatedUnixMs) / 1000,
    ],
  ];
  const state = "contract_data_session_state";
  const states = shown.map(({ session, labels }) => `${state}{${labels},state="${session.state}"} 1\n`);
  return [
    `${head(state, "gauge", "Always 1; the label tells the state.")}${states.join("")}`,
    rowsByDataset(shown),
    ...metrics.map(([name, kind, help, value]) => {
      const full = `contract_data_session_${name}`;
      const lines = shown.map(({ session, labels }) => `${full}{${labels}} ${number(value(session))}\n`);
      return `${head(full, kind, help)}${lines.join("")}`;
    }),
  ].join("");
}

function rowsByDataset(shown: readonly { session: SessionSnapshot; labels: string }[]): string {
  const full = "contract_data_session_dataset_rows_total";
  const lines = shown.flatMap(({ session, labels }) => {
    const { datasets = [DATASET_DEFAULT] } = session.request;
    return datasets.map((dataset) => {
      const parts = session.partitions?.filter((part) => part.dataset === dataset);
      const rows = parts?.reduce((sum, part) => sum + part.rows, 0) ?? session.entriesProcessed;
      return `${full}{${labels},dataset="${dataset}"} ${number(rows)}\n`;
    });
  });
  return `${head(full, "counter", "Rows of a dataset that it has put into batches, over its whole life.")}${lines.join("")}`;
}

function labelsOf({ id, request }: SessionSnapshot): string {
  const own = Object.entries(request.labels ?? {})
    .filter(([name, value]) => OWN_LABEL_NAME.test(name) && value.length <= OWN_LABEL_LENGTH_MAX)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, OWN_LABELS_MAX)
    .map(([name, value]) => `,label_${name}="${label(value)}"`);
  return `session="${label(id)}"${own.join("")}`;
}
