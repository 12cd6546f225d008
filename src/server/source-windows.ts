/** The windows of ledgers that meta streams keep, as their part of MAX_MEMORY_MB. */
import type { Config } from "../config/schema.ts";
import { membersOf } from "../config/source-endpoint.ts";
import { planWindow } from "../engine/memory-plan.ts";

/** How many of the configured sources are meta streams. */
export function metaStreamsOf({ sourceEndpoint, sources }: Pick<Config, "sourceEndpoint" | "sources">): number {
  const members = [sourceEndpoint, ...sources.values()].flatMap(membersOf);
  return members.filter(({ kind }) => kind === "meta" || kind === "meta+tcp").length;
}

/** Bytes of each one's window. */
export function windowBytesOf(config: Config): number {
  return planWindow(config.memoryBytesMax, config.workerCount, metaStreamsOf(config));
}
