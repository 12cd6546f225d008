/** One entry of the registry of reasons. */
import type { Code } from "../codes.ts";

/** What a stable reason stands for. */
export interface ReasonEntry<C extends Code = Code> {
  /** The gRPC statuses that it comes with. */
  codes: readonly C[];
  /** What has happened; one sentence. */
  meaning: string;
  /** What whoever reads it can do; one sentence. */
  remedy: string;
}

/** An entry; `codes` is one status, or the list of those that the reason may come with. */
export function reason<const C extends Code>(codes: C | readonly C[], meaning: string, remedy: string): ReasonEntry<C> {
  return { codes: typeof codes === "string" ? [codes] : codes, meaning, remedy };
}
