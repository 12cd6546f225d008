/** Prometheus' own tool, of Debian's package `prometheus`. */
import { existsSync } from "node:fs";
import { join } from "node:path";

const CACHED = join(import.meta.dir, "../../.cache/bin/promtool"); // where .ci/run puts it

/** Its path; undefined, with a message, where it is not there, which is an error under CI=true. */
export function promtoolPath(): string | undefined {
  const path = existsSync(CACHED) ? CACHED : (Bun.which("promtool") ?? undefined);
  if (path === undefined && process.env.CI === "true") throw new Error("under CI: no promtool");
  if (path === undefined) console.log("skipped: promtool is not there (apt-get install prometheus)");
  return path;
}

/** Runs it. */
export async function promtool(
  path: string,
  args: string[],
  stdin = "",
): Promise<{ exitCode: number; output: string }> {
  const child = Bun.spawn([path, ...args], { stdin: Buffer.from(stdin), stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { exitCode: await child.exited, output: stdout + stderr };
}
