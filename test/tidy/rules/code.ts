/** Small habits of code. */
import { type Node, nameOf, type Project, placeOf, type SourceFile, walk, writtenFiles } from "../project.ts";
import type { Rule } from "../rule.ts";

export const casts: Rule = {
  name: "`as unknown as` has its reason beside it",
  check: (project) =>
    writtenFiles(project).flatMap((file) =>
      [...walk(file.body)]
        .filter((node) => node.type === "TSAsExpression" && isUnknownCast(node.expression as Node))
        .filter((node) => !hasCommentAt(file, node))
        .map((node) => `${placeOf(file, node)} casts through unknown without a comment on its line or the line before`),
    ),
  canary: new Map([
    ["src/xdr/a.ts", "const a = 1 as unknown as string; // why\n\nconst b = 1 as unknown as string;\nvoid [a, b];"],
  ]),
};

function isUnknownCast(node: Node): boolean {
  return node.type === "TSAsExpression" && (node.typeAnnotation as Node).type === "TSUnknownKeyword";
}

/** A comment that ends on the node's first line, on its last, or on the line before. */
function hasCommentAt(file: SourceFile, node: Node): boolean {
  const { start, end } = node.loc;
  return file.comments.some(({ loc }) => loc.end.line >= start.line - 1 && loc.start.line <= end.line);
}

export const bytesFrom: Rule = {
  name: "bytes are not copied by `Uint8Array.from`, which costs 25 ns a byte on Bun: `new Uint8Array(bytes)`",
  check: (project) =>
    writtenFiles(project).flatMap((file) =>
      [...walk(file.body)]
        .filter(({ type, object, property }) => {
          return type === "MemberExpression" && nameOf(object) === "Uint8Array" && nameOf(property) === "from";
        })
        .filter((node) => !/^\(\s*[[{]/.test(file.text.slice(node.end))) // a literal list of a few numbers
        .map((node) => `${placeOf(file, node)} uses Uint8Array.from`),
    ),
  canary: new Map([
    ["src/xdr/a.ts", "export const copy = (bytes: Buffer) => [Uint8Array.from(bytes), Uint8Array.from([1])];"],
  ]),
};

export const wholeSlices: Rule = {
  name: "nothing is copied by `slice()` without arguments, which gives a view where the bytes are a Buffer: `new Uint8Array(bytes)`",
  check: (project) =>
    writtenFiles(project)
      .filter(({ path }) => path.startsWith("src/"))
      .flatMap((file) =>
        [...walk(file.body)]
          .filter(({ type, property }) => type === "MemberExpression" && nameOf(property) === "slice")
          .filter((node) => file.text.startsWith("()", node.end))
          .map((node) => `${placeOf(file, node)} copies by slice()`),
      ),
  canary: new Map([
    ["src/xdr/a.ts", "export const copy = (bytes: Uint8Array) => [bytes.slice(), bytes.slice(1), [...bytes]];"],
  ]),
};

export const settings: Rule = {
  name: "every setting has an effect: its name stands somewhere in src beside the table of settings",
  check(project) {
    const table = writtenFiles(project).filter(({ path }) => path.startsWith("src/config/"));
    const others = writtenFiles(project).filter(
      ({ path }) => path.startsWith("src/") && !path.startsWith("src/config/"),
    );
    return settingKeys(table)
      .filter(({ key }) => !others.some(({ text }) => new RegExp(`\\b${key}\\b`).test(text)))
      .map(({ key, place }) => `${place}: the setting ${key} is used nowhere`);
  },
  canary: new Map([
    ["src/config/schema.ts", 'export const SETTINGS = { used: setting({ env: "A" }), idle: setting({ env: "B" }) };'],
    ["src/cli/serve.ts", "export const serve = (config: { used: string }) => config.used;"],
  ]),
};

function settingKeys(files: readonly SourceFile[]): Array<{ key: string; place: string }> {
  return files.flatMap((file) =>
    [...walk(file.body)]
      .filter((node) => node.type === "ObjectProperty" && isCallOf(node.value as Node, "setting"))
      .map((node) => ({ key: nameOf(node.key), place: placeOf(file, node) })),
  );
}

function isCallOf(node: Node, name: string): boolean {
  return node.type === "CallExpression" && nameOf(node.callee) === name;
}

export const expectations: Rule = {
  name: "a test expects something, itself or by a function that it calls",
  check(project) {
    const checkers = checkingFunctions(project);
    return writtenFiles(project)
      .filter(({ path }) => path.endsWith(".test.ts"))
      .flatMap((file) =>
        testBodies(file)
          .filter(({ body }) => !checks(body, checkers))
          .map(({ place }) => `${place} expects nothing`),
      );
  },
  canary: new Map([
    [
      "test/xdr/a.test.ts",
      'import { expect, test } from "bun:test";\nconst check = (a: number) => expect(a).toBe(1);\ntest("a", () => check(1));\ntest("b", () => {});',
    ],
  ]),
};

/** Names of functions of the tests that expect something, directly or through others. */
function checkingFunctions(project: Project): Set<string> {
  const bodies = writtenFiles(project)
    .filter(({ path }) => !path.startsWith("src/"))
    .flatMap((file) => [...walk(file.body)].flatMap(namedFunction));
  const checkers = new Set(["expect", "fail"]);
  for (let before = -1; before < checkers.size; ) {
    before = checkers.size;
    for (const { name, body } of bodies) if (checks(body, checkers)) checkers.add(name);
  }
  return checkers;
}

function namedFunction(node: Node): Array<{ name: string; body: Node }> {
  if (node.type === "FunctionDeclaration" || node.type === "ClassMethod" || node.type === "ObjectMethod") {
    return [{ name: nameOf(node.id ?? node.key), body: node }];
  }
  const isFunction = node.type === "VariableDeclarator" && /Function/.test((node.init as Node | null)?.type ?? "");
  return isFunction ? [{ name: nameOf(node.id), body: node.init as Node }] : [];
}

function checks(body: Node, checkers: ReadonlySet<string>): boolean {
  for (const node of walk(body)) {
    if (node.type === "ThrowStatement") return true;
    if (node.type !== "CallExpression") continue;
    const callee = node.callee as Node;
    if (checkers.has(callee.type === "MemberExpression" ? nameOf(callee.property) : nameOf(callee))) return true;
  }
  return false;
}

/** The callbacks of `test(…)`, `test.each(…)(…)`, `test.if(…)(…)`; a name in place of a callback is looked at by its name. */
function testBodies(file: SourceFile): Array<{ body: Node; place: string }> {
  return [...walk(file.body)].flatMap((node) => {
    if (node.type !== "CallExpression" || !isTest(node.callee as Node)) return [];
    const body = (node.arguments as Node[]).find(({ type }) => /FunctionExpression$/.test(type));
    return body === undefined ? [] : [{ body, place: placeOf(file, node) }];
  });
}

function isTest(callee: Node): boolean {
  if (callee.type === "Identifier") return callee.name === "test" || callee.name === "it";
  if (callee.type === "CallExpression") return isTest(callee.callee as Node);
  return callee.type === "MemberExpression" && isTest(callee.object as Node) && nameOf(callee.property) !== "todo";
}
