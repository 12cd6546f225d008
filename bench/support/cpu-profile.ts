/** CPU profiles as Bun's --cpu-prof writes them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface CpuProfile {
  nodes: { id: number; children?: number[]; callFrame: { functionName: string; url: string } }[];
  /** Ids of nodes. */
  samples: number[];
  /** Microseconds before each sample. */
  timeDeltas: number[];
}

const IDLE = /^\((idle|program|root)\)$/;

/** The profile that a process has left in `folder`. */
export function readProfile(folder: string): CpuProfile {
  return JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), "utf8")) as CpuProfile;
}

/**
 * How many samples are of work, and how many of those have a function of a file that `url` matches on their stack.
 * @param fromMs only samples from so long before the profile's end on; default: all
 * @param untilMs … until so long before its end
 */
export function samplesWith(
  url: RegExp,
  { nodes, samples, timeDeltas }: CpuProfile,
  { fromMs = Number.POSITIVE_INFINITY, untilMs = Number.NEGATIVE_INFINITY } = {},
): { busy: number; matching: number } {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const matches = (sample: number): boolean => {
    for (let id: number | undefined = sample; id !== undefined; id = parents.get(id)) {
      if (url.test(frames.get(id)!.url)) return true;
    }
    return false;
  };
  let beforeEndUs = timeDeltas.reduce((sum, each) => sum + each, 0);
  const busy = samples.filter((sample, at) => {
    beforeEndUs -= timeDeltas[at]!;
    const isWithin = beforeEndUs <= fromMs * 1000 && beforeEndUs >= untilMs * 1000;
    return isWithin && !IDLE.test(frames.get(sample)!.functionName);
  });
  return { busy: busy.length, matching: busy.filter(matches).length };
}
