/** The project's own sources, parsed once, for the rules of this folder. */
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { parse } from "@babel/parser";

/** A syntax tree's node, as far as the rules look at it. */
export interface Node {
  type: string;
  start: number;
  end: number;
  loc: { start: { line: number }; end: { line: number } };
  [field: string]: unknown;
}

export interface SourceFile {
  /** Relative to the repository's root. */
  path: string;
  text: string;
  /** Statements of the module. */
  body: readonly Node[];
  /** Parsed comments, in order. */
  comments: readonly Node[];
}

interface Import {
  /** Path of the imported file, relative to the root; a package's name as it stands. */
  target: string;
  /** Imported names; `*` for the whole module, `default` for its default. */
  names: readonly string[];
  line: number;
  typeOnly: boolean;
}

/** Path → parsed file. */
export type Project = ReadonlyMap<string, SourceFile>;

const ROOT = join(import.meta.dir, "../..");
const SOURCES = /^(src|test|bench|scripts)\/(?!.*fixtures\/).*\.ts$/;

let own: Project | undefined;

/** Every TypeScript file of the repository, generated ones too. */
export function ownProject(): Project {
  own ??= projectOf(new Map(trackedFiles().map((path) => [path, readFileSync(join(ROOT, path), "utf8")])));
  return own;
}

function trackedFiles(): string[] {
  const { stdout } = Bun.spawnSync(["git", "ls-files", "--cached", "--others", "--exclude-standard"], { cwd: ROOT });
  return stdout
    .toString()
    .split("\n")
    .filter((path) => SOURCES.test(path));
}

/** A project of these texts, by path; for canaries too. */
export function projectOf(texts: ReadonlyMap<string, string>): Project {
  return new Map([...texts].map(([path, text]) => [path, parsed(path, text)]));
}

function parsed(path: string, text: string): SourceFile {
  const { program, comments } = parse(text, { sourceType: "module", plugins: ["typescript"] });
  // Babel's own types name every kind of node; the rules look at a few fields of any.
  return { path, text, body: program.body as unknown as Node[], comments: (comments ?? []) as unknown as Node[] };
}

/** The files of a project that people write. */
export function writtenFiles(project: Project): SourceFile[] {
  return [...project.values()].filter(({ path }) => !path.includes("/generated/"));
}

/** Every node below `root`, itself first. */
export function* walk(root: unknown): Generator<Node> {
  if (Array.isArray(root)) {
    for (const item of root) yield* walk(item);
    return;
  }
  if (typeof root !== "object" || root === null) return;
  const node = root as Node;
  if (typeof node.type === "string") yield node;
  for (const [field, value] of Object.entries(node)) {
    if (field !== "loc" && field !== "leadingComments" && field !== "trailingComments" && field !== "innerComments") {
      if (typeof value === "object" && value !== null) yield* walk(value);
    }
  }
}

/** What a file imports or re-exports, `import("…")` too. */
export function importsOf(file: SourceFile): Import[] {
  const found: Import[] = [];
  const add = (node: Node, source: unknown, names: string[], typeOnly: boolean) => {
    const { value } = source as { value: string };
    const target = value.startsWith(".") ? normalize(join(dirname(file.path), value)) : value;
    found.push({ target, names, line: node.loc.start.line, typeOnly });
  };
  for (const node of file.body) {
    if (node.type === "ImportDeclaration") {
      const names = (node.specifiers as Node[]).map(({ type, imported }) =>
        type === "ImportSpecifier" ? nameOf(imported) : type === "ImportDefaultSpecifier" ? "default" : "*",
      );
      add(node, node.source, names, node.importKind === "type");
    } else if (node.type === "ExportNamedDeclaration" && node.source !== null && node.source !== undefined) {
      add(
        node,
        node.source,
        (node.specifiers as Node[]).map(({ local }) => nameOf(local)),
        node.exportKind === "type",
      );
    } else if (node.type === "ExportAllDeclaration") {
      add(node, node.source, ["*"], node.exportKind === "type");
    }
  }
  for (const node of walk(file.body)) {
    if (node.type === "ImportExpression") dynamic(node, node.source);
    if (node.type === "CallExpression" && (node.callee as Node).type === "Import")
      dynamic(node, (node.arguments as Node[])[0]);
  }
  function dynamic(node: Node, source: unknown): void {
    if ((source as Node | undefined)?.type === "StringLiteral") add(node, source, ["*"], false);
  }
  return found;
}

/** The name of an identifier, or of a name that stands as a string. */
export function nameOf(node: unknown): string {
  const { name, value } = node as { name?: string; value?: string };
  return name ?? value ?? "";
}

/** `src/ledger/decoder.ts:12` */
export function placeOf(file: SourceFile, node: Node): string {
  return `${file.path}:${node.loc.start.line}`;
}

/** Names that a module exports by declarations of its own, with their nodes. */
export function exportsOf(file: SourceFile): Array<{ name: string; node: Node }> {
  return file.body.flatMap((node) => {
    if (node.type !== "ExportNamedDeclaration" || node.declaration === null || node.declaration === undefined)
      return [];
    const declaration = node.declaration as Node;
    const declared = (declaration.declarations as Node[] | undefined)?.map(({ id }) => id) ?? [declaration.id];
    return declared.flatMap((id) => ((id as Node).type === "Identifier" ? [{ name: nameOf(id), node }] : []));
  });
}
