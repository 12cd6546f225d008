/** Runs a command line inside the test. */
import { Writable } from "node:stream";
import type { CommandEntry } from "../../src/cli/command.ts";
import { runCli } from "../../src/cli/run.ts";

export interface CliRun {
  code: number;
  out: string;
  err: string;
}

function collector(): { stream: Writable & { isTTY?: boolean }; text(): string } {
  let collected = "";
  const stream = new Writable({
    write(chunk, _encoding, done) {
      collected += chunk.toString();
      done();
    },
  });
  return { stream, text: () => collected };
}

/** The exit code and what was printed. `interrupt` stands for Ctrl-C; `isTTY` makes stdout a terminal. */
export async function cli(
  argv: readonly string[],
  commands: readonly CommandEntry[],
  env: Record<string, string> = {},
  { interrupt = new AbortController().signal, isTTY = false } = {},
): Promise<CliRun> {
  const stdout = collector();
  const stderr = collector();
  stdout.stream.isTTY = isTTY;
  const code = await runCli(argv, commands, {
    env,
    stdout: stdout.stream,
    stderr: stderr.stream,
    interrupt: () => interrupt,
  });
  return { code, out: stdout.text(), err: stderr.text() };
}
