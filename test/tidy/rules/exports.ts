/** Exports that somebody uses, each with its docstring. */
import { exportsOf, importsOf, type Node, type Project, placeOf, type SourceFile, writtenFiles } from "../project.ts";
import type { Rule } from "../rule.ts";

/** Modules that are read from outside: the library, the programs' entries. */
const DOORS = new Set([
  "src/index.ts",
  "src/sinks/index.ts",
  "src/main.ts",
  "src/worker-host.ts",
  "src/data-plane-host.ts",
]);

export const used: Rule = {
  name: "an export is imported somewhere",
  check(project) {
    const imported = importedNames(project);
    return writtenFiles(project).flatMap((file) => {
      if (DOORS.has(file.path) || imported.get(file.path)?.has("*")) return [];
      return exportsOf(file)
        .filter(({ name }) => !imported.get(file.path)?.has(name))
        .map(
          ({ name, node }) =>
            `${placeOf(file, node)} exports ${name}, which nobody imports: take export or all of it away`,
        );
    });
  },
  canary: new Map([
    ["src/xdr/a.ts", "export const used = 1;\nexport const idle = 2;"],
    ["test/xdr/a.test.ts", 'import { used } from "../../src/xdr/a.ts";\nvoid used;'],
  ]),
};

function importedNames(project: Project): Map<string, Set<string>> {
  const imported = new Map<string, Set<string>>();
  for (const file of project.values()) {
    for (const { target, names } of importsOf(file)) {
      const known = imported.get(target) ?? new Set();
      for (const name of names) known.add(name);
      imported.set(target, known);
    }
  }
  return imported;
}

export const documented: Rule = {
  name: "an export of src has a docstring",
  check: (project) =>
    writtenFiles(project)
      .filter(({ path }) => path.startsWith("src/"))
      .flatMap((file) =>
        exportsOf(file)
          .filter(({ name, node }) => !isCommand(name, file) && !hasDocstring(file, node))
          .map(({ name, node }) => `${placeOf(file, node)}: ${name} has no docstring: shapes, units, errors, source`),
      ),
  canary: new Map([
    [
      "src/xdr/a.ts",
      '/** The file. */\nimport "./b.ts";\n\n/** Kept. */\nexport const a = 1;\n\n// No docstring.\nexport const b = 2;',
    ],
  ]),
};

/** A command's description stands in its definition, since --help prints it. */
function isCommand(name: string, { path }: SourceFile): boolean {
  return name === "command" && path.startsWith("src/cli/");
}

/**
 * Whether a docstring ends right before the statement, or before the run of statements, without an empty line, that it
 * is part of; the reason of a constant may stand behind it on its line. The docstring of the file does not count.
 */
function hasDocstring(file: SourceFile, node: Node): boolean {
  if (isConstant(node) && file.comments.some(({ loc }) => loc.start.line === node.loc.end.line)) return true;
  const before = file.text.slice(0, node.start).trimEnd();
  const comment = file.comments.find(({ end }) => end === before.length);
  if (comment?.type === "CommentBlock" && (comment.value as string).startsWith("*")) {
    return comment.start > 0 || !file.text.slice(comment.end, node.start).includes("\n\n");
  }
  const neighbour = file.body.find(({ loc }) => loc.end.line === node.loc.start.line - 1);
  return neighbour?.type === "ExportNamedDeclaration" && hasDocstring(file, neighbour);
}

function isConstant({ declaration }: Node): boolean {
  return (declaration as Node).type === "VariableDeclaration";
}
