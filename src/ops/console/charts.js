/** Small charts of an hour, as SVG. */

const WIDTH = 240;
const HEIGHT = 44;
const POINTS = 360; // of 10 s

/**
 * A line of the points, the newest at the right edge, with its highest and its last value in words.
 * @param words how a value is said
 */
export function chart(label, points, words) {
  const svg = node("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    class: "chart",
    role: "img",
    preserveAspectRatio: "none",
  });
  const last = points.at(-1);
  const most = Math.max(...points, 0);
  const said = last === undefined ? `${label}: nothing yet` : `${label}: ${words(last)} now, ${words(most)} at most`;
  svg.setAttribute("aria-label", said);
  if (points.length > 0) {
    const x = (index) => WIDTH - ((points.length - 1 - index) * WIDTH) / (POINTS - 1);
    const y = (value) => HEIGHT - 2 - (most === 0 ? 0 : (value / most) * (HEIGHT - 6));
    const line = points.map((value, index) => `${x(index).toFixed(1)} ${y(value).toFixed(1)}`);
    svg.append(
      node("path", { class: "area", d: `M${x(0).toFixed(1)} ${HEIGHT} L${line.join(" L")} L${WIDTH} ${HEIGHT} Z` }),
      node("path", { class: "line", d: points.length === 1 ? `M${line[0]} h0.1` : `M${line.join(" L")}` }),
    );
  }
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = last === undefined ? `${label} –` : `${label} ${words(last)}`;
  const top = document.createElement("span");
  top.className = "dim";
  top.textContent = points.length > 1 ? `max ${words(most)}` : "";
  caption.append(" ", top);
  figure.append(caption, svg);
  return figure;
}

/** Parts of a whole side by side, with their names below. Parts are [name, value, words]. */
export function bar(label, parts, whole) {
  const total = Math.max(
    whole ?? 0,
    parts.reduce((sum, [, value]) => sum + value, 0),
  );
  const svg = node("svg", { viewBox: "0 0 1000 12", class: "bar", role: "img", preserveAspectRatio: "none" });
  svg.setAttribute("aria-label", `${label}: ${parts.map(([name, , words]) => `${name} ${words}`).join(", ")}`);
  let at = 0;
  for (const [index, [, value]] of parts.entries()) {
    const width = total === 0 ? 0 : (value / total) * 1000;
    svg.append(
      node("rect", { x: at, y: 0, width: Math.max(0, width - 2), height: 12, class: `part part-${index % 6}` }),
    );
    at += width;
  }
  const list = document.createElement("ul");
  list.className = "legend";
  for (const [index, [name, , words]] of parts.entries()) {
    const item = document.createElement("li");
    const mark = document.createElement("i");
    mark.className = `part-${index % 6}`;
    item.append(mark, `${name} `, Object.assign(document.createElement("b"), { textContent: words }));
    list.append(item);
  }
  const box = document.createElement("div");
  box.append(svg, list);
  return box;
}

function node(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
