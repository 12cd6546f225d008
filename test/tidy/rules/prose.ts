/** How comments are written: a sentence begins with its subject. */
import { type Node, placeOf, writtenFiles } from "../project.ts";
import type { Rule } from "../rule.ts";

/** Words that leave a reader to look for the noun: `Of a balance, …`, `Those that …`, `The same for …`. */
const NOUNLESS = /^(?:Of |Those |That (?!is to say)|The same(?: (?:for|of|as|in|without|again|whatever)\b|[,.:;]))/;

/** Comments of src. */
export const nouns: Rule = {
  name: "a sentence of a comment does not begin with Of, Those, That or The same without a noun",
  check: (project) =>
    writtenFiles(project)
      .filter(({ path }) => path.startsWith("src/"))
      .flatMap((file) =>
        file.comments.flatMap((comment) =>
          sentences(comment)
            .filter((sentence) => NOUNLESS.test(sentence))
            .map((sentence) => `${placeOf(file, comment)}: "${sentence.slice(0, 40)}…": name the thing`),
        ),
      ),
  canary: new Map([
    ["src/xdr/a.ts", "/** Rows of a ledger. Those that pass are kept. */\nexport const a = 1; // of the ledger"],
  ]),
};

/** A comment's sentences, without asterisks and line breaks. */
function sentences(comment: Node): string[] {
  const text = (comment.value as string)
    .replace(/^\*/, "")
    .replace(/\n\s*\*? ?/g, " ")
    .trim();
  return text.split(/(?<=[.!?:])\s+/).map((sentence) => sentence.trim());
}
