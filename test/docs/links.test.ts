/** Every link of every page leads to a file, and to a heading in it where it names one. Links to the web are not followed. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { ROOT } from "../support/processor.ts";

const FOLDERS = ["bench", "deploy", "docs", "examples", "proto", "sample", "src", "test"];
const pages = ["*.md", ...FOLDERS.map((folder) => `${folder}/**/*.md`)]
  .flatMap((glob) => [...new Bun.Glob(glob).scanSync({ cwd: ROOT })])
  .filter((page) => !page.includes("node_modules"))
  .sort();

/** The page without its code, in which brackets mean other things. */
function prose(page: string): string {
  return readFileSync(join(ROOT, page), "utf8")
    .replace(/^```[\s\S]*?^```/gm, "")
    .replace(/`[^`\n]*`/g, "");
}

/** As GitHub names headings: lower case, spaces to hyphens, other signs left out. */
function anchors(page: string): Set<string> {
  const text = readFileSync(join(ROOT, page), "utf8").replace(/^```[\s\S]*?^```/gm, "");
  const found = new Set<string>();
  for (const [, heading] of text.matchAll(/^#+ (.*)$/gm)) {
    const name = heading!
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-");
    let unique = name;
    for (let n = 1; found.has(unique); n++) unique = `${name}-${n}`;
    found.add(unique);
  }
  return found;
}

function broken(page: string): string[] {
  const links = [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
  return links.filter((link) => {
    if (/^(https?|mailto):/.test(link)) return false;
    const [path, anchor] = link.split("#") as [string, string | undefined];
    const target = path === "" ? page : relative(ROOT, join(ROOT, dirname(page), path));
    if (!existsSync(join(ROOT, target))) return true;
    return anchor !== undefined && target.endsWith(".md") && !anchors(target).has(anchor);
  });
}

test("there are pages, and links between them", () => {
  expect(pages).toEqual(expect.arrayContaining(["README.md", "docs/sinks.md", "CONTRIBUTING.md"]));
  expect(pages.flatMap((page) => [...prose(page).matchAll(/\]\(/g)]).length).toBeGreaterThan(50);
});

test.each(pages)("%s", (page) => {
  expect(broken(page)).toEqual([]);
});

test("every page of docs can be reached from README", () => {
  const readme = prose("README.md");
  const listed = pages.filter((page) => page.startsWith("docs/") && readme.includes(`](${page}`));
  const reached = new Set(
    listed.flatMap((page) => [
      page,
      ...[...prose(page).matchAll(/\]\(([\w-]+\.md)/g)].map(([, name]) => `docs/${name}`),
    ]),
  );
  expect(pages.filter((page) => page.startsWith("docs/") && !reached.has(page))).toEqual([]);
});
