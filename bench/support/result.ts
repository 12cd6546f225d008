/** What one run of a bench has found, as a file of bench/results. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../test/support/processor.ts";

export const RESULTS = join(ROOT, "bench", "results");

export interface Found {
  unit: string;
  /** The samples' median, or what the bench says for them. */
  value: number;
  samples: number[];
}

interface Machine {
  cores: number;
  processor: string;
  memoryGb: number;
  /** How many threads wanted a core in the last minute: above the bench's own, the machine was busy. */
  load: number;
}

export interface Result {
  bench: string;
  /** What has to be typed behind `bun bench/`: only runs of one command are compared. */
  command: string;
  /** ISO 8601. */
  at: string;
  /** With a plus where src differs from it. */
  commit: string;
  machine: Machine;
  versions: Record<string, string>;
  figures: Record<string, Found>;
  /** Single measurements that figures were made of. */
  raw?: Record<string, number[]>;
}

/** Half of the samples are no less, and half no more. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}

export function machine(): Machine {
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    memoryGb: Math.round(totalmem() / 2 ** 30),
    load: Number(loadavg()[0]!.toFixed(1)),
  };
}

/** The first line that a command prints; empty where there is no such command. */
function firstLine(command: string, ...args: string[]): string {
  const { stdout } = spawnSync(command, args, { cwd: ROOT, encoding: "utf8" });
  return (stdout ?? "").split("\n")[0]!.trim();
}

export function versions(): Record<string, string> {
  const go = firstLine("go", "env", "GOVERSION");
  return { bun: process.versions.bun ?? "", ...(go === "" ? {} : { go: go.replace(/^go/, "") }) };
}

export function commit(): string {
  const differs = spawnSync("git", ["diff", "--quiet", "HEAD", "--", "src"], { cwd: ROOT }).status === 1;
  return firstLine("git", "rev-parse", "--short=10", "HEAD") + (differs ? "+" : "");
}

export function writeResult(result: Result, folder = RESULTS): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${result.at.replaceAll(":", "-").replace(/\.\d+/, "")}-${result.bench}.json`);
  // A list of numbers is one line.
  const text = JSON.stringify(result, undefined, 1).replace(/\[[^[\]{}"]*\]/g, (list) => list.replace(/\s+/g, " "));
  writeFileSync(path, `${text}\n`);
  return path;
}

/** All results of a folder, the oldest first. */
export function readResults(folder = RESULTS): Result[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Result)
    .sort((a, b) => (a.at < b.at ? -1 : 1));
}
