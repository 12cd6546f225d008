/** The registry of reasons and the code agree. */
import { REASON_ENTRIES } from "../../../src/reasons/registry.ts";
import { type Node, nameOf, placeOf, type SourceFile, walk, writtenFiles } from "../project.ts";
import type { Rule } from "../rule.ts";

/** An error is made with a status that the registry has for its reason, where both stand there as text. */
export const reasonCodes: Rule = {
  name: "an error is made with a status that the registry has for its reason",
  check: (project) =>
    writtenFiles(project)
      .filter(({ path }) => path.startsWith("src/"))
      .flatMap(wrongCodes),
  canary: new Map([
    [
      "src/xdr/a.ts",
      'export const a = [new CodedError("INTERNAL", "UNEXPECTED", ""), new CodedError("NOT_FOUND", "UNEXPECTED", "")];',
    ],
  ]),
};

function wrongCodes(file: SourceFile): string[] {
  return [...walk(file.body)].flatMap((node) => {
    if (node.type !== "NewExpression" || nameOf(node.callee) !== "CodedError") return [];
    const [code, reason] = (node.arguments as Node[]).map(({ type, value }) =>
      type === "StringLiteral" ? String(value) : "",
    );
    const entry = REASON_ENTRIES.get(reason ?? "");
    if (!code || entry === undefined || entry.codes.some((known) => known === code)) return [];
    return [
      `${placeOf(file, node)}: ${reason} comes with ${entry.codes.join(", ")} in src/reasons, and here with ${code}`,
    ];
  });
}

/** A reason that nothing can have is taken out. */
export const reasonsUsed: Rule = {
  name: "a reason of the registry stands somewhere in the code",
  check(project) {
    const files = writtenFiles(project).filter(({ path }) => path.startsWith("src/"));
    const texts = files.filter(({ path }) => !path.startsWith("src/reasons/")).map(({ text }) => text);
    const registry = files.filter(({ path }) => path.startsWith("src/reasons/"));
    return registry.flatMap((file) =>
      reasonNames(file)
        .filter((name) => !texts.some((text) => text.includes(`"${name}"`)) && !OF_STATES.test(name))
        .map((name) => `${file.path}: nothing has the reason ${name}`),
    );
  },
  canary: new Map([
    ["src/reasons/a.ts", 'export const A = { USED: reason("INTERNAL", "", ""), IDLE: reason("INTERNAL", "", "") };'],
    ["src/xdr/b.ts", 'export const b = "USED";'],
  ]),
};

/** Made of a session's state: `SESSION_${state}`. */
const OF_STATES = /^SESSION_(STARTING|RUNNING|STOPPING|STOPPED|ERROR)$/;

function reasonNames(file: SourceFile): string[] {
  return [...walk(file.body)].flatMap((node) => {
    const isEntry =
      node.type === "ObjectProperty" &&
      (node.value as Node).type === "CallExpression" &&
      nameOf((node.value as Node).callee) === "reason";
    return isEntry ? [nameOf(node.key)] : [];
  });
}
