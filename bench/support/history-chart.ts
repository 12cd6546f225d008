/** The history of figures as one SVG: a small chart a figure, one dot a run, the target as a dashed line. */
import { figureText } from "./comparison.ts";

export interface Series {
  title: string;
  unit: string;
  target?: number;
  /** In the order of time; a run of another command than the suite's is drawn hollow. */
  points: { at: string; value: number; isFull: boolean }[];
}

const COLUMNS = 3;
const PANEL = { width: 320, height: 120 };
const PLOT = { left: 12, right: 60, top: 34, bottom: 20 };

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function panel({ title, unit, target, points }: Series, x: number, y: number): string {
  const width = PANEL.width - PLOT.left - PLOT.right;
  const height = PANEL.height - PLOT.top - PLOT.bottom;
  const top = 1.1 * Math.max(...points.map(({ value }) => value), target ?? 0, Number.MIN_VALUE);
  const atY = (value: number) => (PLOT.top + height * (1 - Math.max(value, 0) / top)).toFixed(1);
  const atX = (n: number) => (PLOT.left + (points.length === 1 ? width : (width * n) / (points.length - 1))).toFixed(1);
  const last = points.at(-1)!;
  const base = PLOT.top + height;
  const lines = [
    `<text x="${PLOT.left}" y="14" class="title">${escaped(title)}</text>`,
    `<text x="${PLOT.left}" y="27">${escaped(unit)}</text>`,
    `<path d="M${PLOT.left} ${base}h${width}" class="axis"/>`,
  ];
  if (target !== undefined) {
    lines.push(`<path d="M${PLOT.left} ${atY(target)}h${width}" class="target"/>`);
  }
  const way = points.map(({ value }, n) => `${n === 0 ? "M" : "L"}${atX(n)} ${atY(value)}`).join("");
  lines.push(`<path d="${way}" class="way"/>`);
  points.forEach(({ value, isFull }, n) => {
    lines.push(`<circle cx="${atX(n)}" cy="${atY(value)}" r="2.5"${isFull ? "" : ' class="quick"'}/>`);
  });
  lines.push(
    `<text x="${PANEL.width - PLOT.right + 8}" y="${Number(atY(last.value)) + 4}" class="title">${figureText(last.value)}</text>`,
    `<text x="${PLOT.left}" y="${base + 14}">${points[0]!.at.slice(0, 10)}</text>`,
  );
  return `<g transform="translate(${x} ${y})">${lines.join("")}</g>`;
}

/** @param all without those that have no point */
export function historyChart(all: readonly Series[]): string {
  const drawn = all.filter(({ points }) => points.length > 0);
  const rows = Math.ceil(drawn.length / COLUMNS);
  const [width, height] = [COLUMNS * PANEL.width, Math.max(rows, 1) * PANEL.height];
  const panels = drawn.map((series, n) =>
    panel(series, (n % COLUMNS) * PANEL.width, Math.floor(n / COLUMNS) * PANEL.height),
  );
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    "<title>The history of the ratios that the benches measure</title>",
    "<style>text{font:10px sans-serif;fill:#57606a}.title{font-weight:bold;fill:#24292f}.axis{stroke:#d0d7de}",
    ".target{stroke:#cf222e;stroke-dasharray:4 3}.way{fill:none;stroke:#0969da}circle{fill:#0969da;stroke:#0969da}.quick{fill:#fff}</style>",
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...panels,
    "</svg>",
  ].join("\n")}\n`;
}
