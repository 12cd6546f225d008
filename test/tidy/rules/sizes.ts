/** How long a file and a function may be. */
import { type Node, placeOf, type SourceFile, walk, writtenFiles } from "../project.ts";
import type { Rule } from "../rule.ts";

const FILE_LINES_MAX = 400; // some ten screens: more is two concepts
const FUNCTION_LINES_MAX = 80; // two screens

export const files: Rule = {
  name: `a file has at most ${FILE_LINES_MAX} lines`,
  check: (project) =>
    writtenFiles(project).flatMap(({ path, text }) => {
      const lines = text.trimEnd().split("\n").length;
      return lines > FILE_LINES_MAX ? [`${path} has ${lines} lines: split it`] : [];
    }),
  canary: new Map([["src/xdr/long.ts", `${"\n".repeat(FILE_LINES_MAX)}export {};`]]),
};

const FUNCTIONS = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
  "ClassMethod",
  "ClassPrivateMethod",
  "ObjectMethod",
]);

export const functions: Rule = {
  name: `a function has at most ${FUNCTION_LINES_MAX} lines, but for the body of a describe`,
  check: (project) => writtenFiles(project).flatMap(longFunctions),
  canary: new Map([["src/xdr/long.ts", `export function long() {\n${"  void 0;\n".repeat(FUNCTION_LINES_MAX)}}`]]),
};

function longFunctions(file: SourceFile): string[] {
  const described = new Set<unknown>();
  const broken: string[] = [];
  for (const node of walk(file.body)) {
    if (node.type === "CallExpression" && isDescribe(node.callee as Node)) {
      for (const argument of node.arguments as Node[]) described.add(argument);
    }
    if (!FUNCTIONS.has(node.type) || described.has(node)) continue;
    const lines = node.loc.end.line - node.loc.start.line + 1;
    if (lines > FUNCTION_LINES_MAX) broken.push(`${placeOf(file, node)} is a function of ${lines} lines: split it`);
  }
  return broken;
}

/** `describe(…)`, `describe.each(…)(…)`, `describe.skipIf(…)(…)` */
function isDescribe(callee: Node): boolean {
  if (callee.type === "Identifier") return callee.name === "describe";
  if (callee.type === "CallExpression") return isDescribe(callee.callee as Node);
  return callee.type === "MemberExpression" && isDescribe(callee.object as Node);
}
