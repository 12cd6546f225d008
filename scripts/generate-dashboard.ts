/**
 * Makes deploy/grafana-dashboard.json from dashboard-panels.ts: `bun scripts/generate-dashboard.ts`. A test checks that it is
 * current, and that every metric of /metrics has a panel, an alert or a reason to have neither.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Panel, ROWS } from "./dashboard-panels.ts";

const ROOT = join(import.meta.dirname, "..");
/** Where the dashboard is, from the repository's root. */
export const DASHBOARD = "deploy/grafana-dashboard.json";

const HEIGHT = 8;
const HEIGHT_STAT = 4;
const DATASOURCE = { type: "prometheus", uid: "$datasource" };

function panelJson(panel: Panel, id: number, x: number, y: number): object {
  const { title, unit, queries, description, kind = "timeseries", width = 8 } = panel;
  return {
    ...{ id, title, description, type: kind, datasource: DATASOURCE },
    gridPos: { x, y, w: width, h: kind === "stat" ? HEIGHT_STAT : HEIGHT },
    fieldConfig: { defaults: { unit, min: kind === "timeseries" ? 0 : undefined }, overrides: [] },
    targets: queries.map(([expr, legendFormat], index) => ({
      ...{ refId: String.fromCharCode(65 + index), datasource: DATASOURCE, expr, legendFormat },
      ...(kind === "timeseries" ? {} : { instant: true }),
      ...(kind === "table" ? { format: "table" } : {}),
    })),
    ...(kind === "stat" && title === "Version" ? { options: { textMode: "name" } } : {}),
  };
}

function panels(): object[] {
  const made: object[] = [];
  let y = 0;
  for (const [title, row] of Object.entries(ROWS)) {
    made.push({
      id: made.length + 1,
      title,
      type: "row",
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y: y++, w: 24, h: 1 },
    });
    let x = 0;
    let height = 0;
    for (const panel of row) {
      const { width = 8 } = panel;
      if (x + width > 24) {
        y += height;
        x = height = 0;
      }
      made.push(panelJson(panel, made.length + 1, x, y));
      x += width;
      height = Math.max(height, panel.kind === "stat" ? HEIGHT_STAT : HEIGHT);
    }
    y += height;
  }
  return made;
}

function variable(name: string, query: string, multi: boolean): object {
  const all = multi ? { multi: true, includeAll: true, allValue: ".*" } : {};
  return { name, label: name, type: "query", datasource: DATASOURCE, query, refresh: 2, sort: 1, ...all };
}

/** The dashboard, as Grafana imports it. */
export function dashboard(): string {
  const label = (metric: string, name: string) => `label_values(${metric}, ${name})`;
  const json = {
    title: "Contract Data Processor",
    uid: "contract-data-processor",
    tags: ["stellar", "contract-data"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    refresh: "30s",
    time: { from: "now-3h", to: "now" },
    templating: {
      list: [
        { name: "datasource", label: "data source", type: "datasource", query: "prometheus" },
        variable("job", label("contract_data_build_info", "job"), false),
        variable("instance", label('contract_data_build_info{job="$job"}', "instance"), true),
        variable("session", label('contract_data_session_state{job="$job",instance=~"$instance"}', "session"), true),
      ],
    },
    panels: panels(),
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}

if (import.meta.main) {
  writeFileSync(join(ROOT, DASHBOARD), dashboard());
  console.log(DASHBOARD);
}
