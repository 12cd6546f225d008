/** Elements and words. Text is only ever set as text: nothing that a user wrote becomes markup. */

/** An element with attributes (`class`, `href`, `onclick`, …) and children: elements, texts, or lists of them. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(3).filter((child) => child !== undefined && child !== null && child !== ""));
  return element;
}

export const byId = (id) => document.getElementById(id);

/**
 * Makes what `parent` holds into `content`, in place: what stays alike stays the same element, so that focus, selected text and
 * scrolling are left alone. `data-key` says which of its neighbours an element is; one with a listener has a key, or stands
 * within one that has.
 */
export function replace(parent, ...content) {
  const wanted = content.flat(3).filter((each) => each !== undefined && each !== "");
  const keys = new Set(wanted.map(keyOf));
  let old = parent.firstChild;
  const drop = () => {
    const { nextSibling } = old;
    old.remove();
    old = nextSibling;
  };
  for (const next of wanted) {
    while (old !== null && !keys.has(keyOf(old))) drop();
    if (old === null || old.nodeName !== next.nodeName || keyOf(old) !== keyOf(next)) parent.insertBefore(next, old);
    else {
      become(old, next);
      old = old.nextSibling;
    }
  }
  while (old !== null) drop();
}

const keyOf = (node) => node.dataset?.key ?? "";

function become(old, next) {
  if (next.nodeType === Node.TEXT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  replace(old, [...next.childNodes]);
}

export const count = (value) => Number(value ?? 0).toLocaleString("en");

export function bytes(value) {
  if (value < 1024) return `${value} B`;
  const power = Math.min(4, Math.floor(Math.log2(value) / 10));
  const size = value / 1024 ** power;
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${["", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

export function age(seconds) {
  if (seconds > 0 && seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

const STATE_CLASS = { RUNNING: "good", STARTING: "warn", STOPPING: "warn", ERROR: "bad" };

export const stateBadge = (state) => make("span", { class: `badge ${STATE_CLASS[state] ?? ""}` }, state);

export const shortId = (id) => (id.length > 13 ? `${id.slice(0, 8)}…` : id);

/** A section with a heading; `id` makes it a place that a link can name. */
export function section(title, id, ...content) {
  return make("section", { "aria-labelledby": id }, make("h2", { id }, title), ...content);
}

/** A table in a box of its own that scrolls; columns are names, those that begin with `#` are numbers. */
export function table(label, columns, rows, empty) {
  const isNumber = columns.map((column) => column.startsWith("#"));
  const cells = (row) => row.map((cell, index) => make("td", { class: isNumber[index] ? "number" : undefined }, cell));
  const body = rows.map((row) => (row instanceof Element ? row : make("tr", {}, cells(row))));
  if (body.length === 0) body.push(make("tr", {}, make("td", { colspan: columns.length, class: "dim" }, empty)));
  const head = columns.map((column, index) =>
    make("th", { scope: "col", class: isNumber[index] ? "number" : undefined }, column.replace("#", "")),
  );
  return make(
    "div",
    { class: "card scroll", tabindex: 0, role: "region", "aria-label": label },
    make("table", {}, make("thead", {}, make("tr", {}, head)), make("tbody", {}, body)),
  );
}
