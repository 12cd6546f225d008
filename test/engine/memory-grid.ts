/**
 * MAX_MEMORY_MB as a container's limit, over a grid of lakes, clients, ranges and catch-ups. Each cell is a server in a
 * cgroup whose limit is the setting; a canary in a cgroup that is too small must be killed, or nothing here means anything.
 * The peak of resident memory (VmHWM) is held against the setting too, and alone where no cgroup can be made, which is said.
 *
 *   bun test/engine/memory-grid.ts [--seconds 20] [name…]
 */
import { parseArgs } from "node:util";
import { type MemoryCase, type MemoryResult, makeLake, runCase } from "./memory-case.ts";

type Cell = Omit<MemoryCase, "seconds">;

/** Those that `make test` runs. */
export const CELLS: Readonly<Record<string, Cell>> = {
  "four sessions in 512": { memoryMib: 512, workers: 4, lake: "dense", read: 4 },
  "four sessions and 22 ranges in 416": { memoryMib: 416, workers: 4, lake: "dense", read: 4, ranges: 22 },
  "16 catch-ups, then 32 ranges in 1024": {
    memoryMib: 1024,
    workers: 4,
    lake: "dense",
    unread: 1,
    catchUps: 16,
    ranges: 32,
  },
  "one read, one not, from grpc-go in 384": {
    memoryMib: 384,
    workers: 2,
    lake: "dense",
    over: "grpc",
    read: 1,
    unread: 1,
  },
};

/** Rows over HTTP, in every form: as many readers as are let in, and more. */
const HTTP_CELLS: Readonly<Record<string, Cell>> = {
  "a session and 20 readers over HTTP in 512": {
    ...{ memoryMib: 512, workers: 2, lake: "dense", read: 1, httpRanges: 10, silentHttpRanges: 10 },
  },
  "readers over HTTP in the least for two workers": {
    ...{ memoryMib: 352, workers: 2, lake: "dense", read: 2, httpRanges: 4, silentHttpRanges: 4 },
  },
};

const SOAK_CELLS: Readonly<Record<string, Cell>> = {
  ...CELLS,
  ...HTTP_CELLS,
  "22 ranges in 512": { memoryMib: 512, workers: 4, lake: "dense", ranges: 22 },
  "four sessions in the least for four workers": { memoryMib: 416, workers: 4, lake: "dense", read: 4 },
  "19 unread sessions in 1024": { memoryMib: 1024, workers: 4, lake: "dense", unread: 19 },
  "sessions and ranges in 384": { memoryMib: 384, workers: 2, lake: "dense", read: 2, ranges: 2 },
  "files of eight ledgers in 512": { memoryMib: 512, workers: 2, lake: "files-of-8", read: 2, ranges: 4 },
  "a bucket in 512": { memoryMib: 512, workers: 2, lake: "dense", over: "s3", read: 2, ranges: 4 },
  "an RPC server in 512": { memoryMib: 512, workers: 2, lake: "dense", over: "rpc", read: 2, ranges: 4 },
  "24 MiB ledgers of a bucket in 1024": { memoryMib: 1024, workers: 2, lake: "large", over: "s3", read: 2, ranges: 4 },
  "24 MiB ledgers of an RPC server in 1024": {
    memoryMib: 1024,
    workers: 2,
    lake: "large",
    over: "rpc",
    read: 2,
    ranges: 4,
  },
  "two sessions from grpc-go in the least for two workers": {
    memoryMib: 352,
    workers: 2,
    lake: "dense",
    over: "grpc",
    read: 2,
  },
  "eight sessions from grpc-go in 512": { memoryMib: 512, workers: 2, lake: "dense", over: "grpc", read: 6, unread: 2 },
  "24 MiB ledgers of grpc-go in 1024": { memoryMib: 1024, workers: 2, lake: "large", over: "grpc", read: 2, unread: 1 },
  "ledgers from memory in 512": { memoryMib: 512, workers: 2, lake: "repeated", read: 2, unread: 2, ranges: 2 },
  "ledgers of 24 MiB in 1024": { memoryMib: 1024, workers: 2, lake: "large", read: 2, ranges: 4 },
  "ranges that nobody reads beside others in 1024": {
    memoryMib: 1024,
    workers: 2,
    lake: "dense",
    read: 2,
    unread: 10,
    ranges: 8,
    silentRanges: 24,
  },
  "all of it in 768": {
    memoryMib: 768,
    workers: 4,
    lake: "dense",
    read: 4,
    unread: 8,
    catchUps: 16,
    ranges: 16,
    silentRanges: 16,
  },
};

/** Sessions that read from a lake or from grpc-go to their clients: each kind of client, in the least setting. */
function liveCells(): Record<string, Cell> {
  const cells: Record<string, Cell> = {};
  const kinds = [
    { lake: "dense", mebibytes: "2", memoryMib: 352 },
    { lake: "largest", mebibytes: "64", memoryMib: 1024 },
  ] as const;
  for (const { lake, mebibytes, memoryMib } of kinds) {
    for (const [place, over] of [["a lake"], ["grpc-go", "grpc"]] as const) {
      for (const sessions of [2, 8]) {
        const half = sessions / 2;
        const clients = {
          "fast clients": { read: sessions },
          "slow clients": { slow: sessions },
          "no clients": { unread: sessions },
          "fast and slow clients": { read: half, slow: half },
        };
        for (const [of, paces] of Object.entries(clients)) {
          const name = `${sessions} sessions of ${mebibytes} MiB ledgers of ${place}, ${of}, in ${memoryMib}`;
          cells[name] = { memoryMib, workers: 2, lake, over, ...paces };
        }
      }
    }
  }
  return cells;
}

/** A server whose cgroup has room for its start and no more. */
export const CANARY: Cell = { memoryMib: 512, limitMib: 150, workers: 4, lake: "dense", read: 4 };

/** What was wrong with a cell; undefined for nothing. */
export function faultOf(cell: Cell, result: Omit<MemoryResult, "output">): string | undefined {
  if (result.died) return "it was killed";
  if (result.residentMibMost > cell.memoryMib) return `resident ${result.residentMibMost} of ${cell.memoryMib} MiB`;
  const { read = 0, slow = 0, ranges = 0, catchUps = 0, httpRanges = 0 } = cell;
  const reads = read + slow + ranges + catchUps + httpRanges;
  if (result.messages < reads) return `${reads} clients had ${result.messages} messages together`;
  return undefined;
}

const FILES = { dense: 300, "files-of-8": 40, large: 12, largest: 20 };

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { seconds: { type: "string", default: "20" } },
    allowPositionals: true,
  });
  const lakes = new Map<string, Awaited<ReturnType<typeof makeLake>>>();
  const lakeOf = async ({ lake }: Cell) => {
    if (lake === "repeated") return undefined;
    const made = lakes.get(lake) ?? (await makeLake(lake, FILES[lake]));
    lakes.set(lake, made);
    return made;
  };
  let failed = 0;
  for (const [name, cell] of [
    ["the canary", CANARY] as const,
    ...Object.entries(SOAK_CELLS),
    ...Object.entries(liveCells()),
  ]) {
    if (positionals.length > 0 && !positionals.some((word) => name.includes(word))) continue;
    const { output, ...result } = await runCase({ ...cell, seconds: Number(values.seconds) }, await lakeOf(cell));
    const isCanary = cell === CANARY;
    if (isCanary && result.cgroup === 0) {
      console.log("no memory cgroup can be made here: resident memory is sampled instead");
      continue;
    }
    const fault = isCanary ? (result.died ? undefined : "it lived") : faultOf(cell, result);
    console.log(`${fault === undefined ? "ok    " : "FAILED"} ${name}${fault ? `: ${fault}` : ""}`);
    console.log(`       ${JSON.stringify(result)}`);
    if (fault !== undefined) {
      failed += 1;
      console.log(output.slice(-2000));
    }
  }
  for (const lake of lakes.values()) lake[Symbol.dispose]();
  process.exit(failed === 0 ? 0 : 1);
}
