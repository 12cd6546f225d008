/** What a rule of this folder is. */
import type { Project } from "./project.ts";

export interface Rule {
  /** A sentence that holds for the whole project. */
  name: string;
  /** Each place that breaks the rule, with what to do; empty where the rule holds. */
  check(project: Project): string[];
  /** A project, as texts by path, that breaks the rule in exactly one place: it proves that the rule can fail. */
  canary: ReadonlyMap<string, string>;
}
