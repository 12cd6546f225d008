/** The plan of memory for a configuration. */
import type { Config } from "../config/schema.ts";
import { type MemoryPlan, planMemory } from "../engine/memory-plan.ts";
import { metaStreamsOf } from "./source-windows.ts";

/** As planMemory says, with all that these settings let in. */
export function plannedMemory(config: Config): MemoryPlan {
  const rowReaders = { readersMax: config.httpStreamsMax, batchBytesMax: config.flightMessageBytesMax };
  return planMemory(config.memoryBytesMax, config.workerCount, { windows: metaStreamsOf(config), rowReaders });
}
