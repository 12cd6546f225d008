/**
 * MAX_MEMORY_MB, WORKER_COUNT and HTTP_STREAMS_MAX as they hold for this start. Without a setting, the limit of the
 * container decides; and no more workers are started, and no more readers over HTTP let in, than the memory has room for.
 */
import type { MemoryLimit } from "../config/container-memory.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { memoryBytesLeast, planRowReaders } from "../engine/memory-plan.ts";
import { CodedError } from "../error.ts";
import type { Logger } from "../ops/log.ts";

const MIB = 1 << 20;

/**
 * @param limit of the container, where it has one
 * @returns what replaces the settings' values
 * @throws CodedError INVALID_ARGUMENT / MEMORY_TOO_SMALL where not even one worker has room, with both numbers
 */
export function fitMemory(
  { values, origins }: Pick<LoadedConfig, "values" | "origins">,
  limit: MemoryLimit | undefined,
  log: Logger,
): Pick<Config, "memoryBytesMax" | "workerCount" | "httpStreamsMax"> {
  let { memoryBytesMax, workerCount } = values;
  const isDefault = origins.memoryBytesMax === "default";
  if (limit !== undefined && isDefault) {
    memoryBytesMax = Math.floor(limit.bytes / MIB) * MIB;
    log.info("MAX_MEMORY_MB is not set: it is the memory limit of this container", {
      maxMemoryMb: memoryBytesMax / MIB,
      limit: limit.file,
    });
  } else if (limit !== undefined && limit.bytes < memoryBytesMax) {
    log.warn("MAX_MEMORY_MB is over the memory limit of this container, which ends the process that passes it", {
      maxMemoryMb: memoryBytesMax / MIB,
      limitMb: Math.floor(limit.bytes / MIB),
      limit: limit.file,
    });
  }
  while (workerCount > 1 && memoryBytesLeast(workerCount) > memoryBytesMax) workerCount -= 1;
  if (memoryBytesLeast(workerCount) > memoryBytesMax) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "MEMORY_TOO_SMALL",
      `${isDefault ? "this container's memory limit" : "MAX_MEMORY_MB"} is ${memoryBytesMax / MIB} MiB, and a server with one worker needs ${memoryBytesLeast(1) / MIB}: raise it`,
    );
  }
  if (workerCount < values.workerCount) {
    log.warn("there is not enough memory for WORKER_COUNT workers: fewer are started", {
      workerCount: values.workerCount,
      started: workerCount,
      maxMemoryMb: memoryBytesMax / MIB,
      neededMb: memoryBytesLeast(values.workerCount) / MIB,
    });
  }
  const readersMax = planRowReaders(memoryBytesMax, workerCount, values.flightMessageBytesMax);
  if (readersMax < values.httpStreamsMax) {
    log[origins.httpStreamsMax === "default" ? "info" : "warn"](
      "there is not enough memory for HTTP_STREAMS_MAX readers of rows over HTTP: fewer are let in",
      { httpStreamsMax: values.httpStreamsMax, letIn: readersMax, maxMemoryMb: memoryBytesMax / MIB },
    );
  }
  return { memoryBytesMax, workerCount, httpStreamsMax: Math.min(values.httpStreamsMax, readersMax) };
}
