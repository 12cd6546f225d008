/** A command line that runs inside the test, and may take as long as it likes. */
import { Writable } from "node:stream";
import { runCli } from "../../src/cli/run.ts";
import { COMMANDS } from "../../src/main.ts";

interface RunningCommand {
  /** All that it has printed so far. */
  out(): Buffer;
  err(): string;
  /** Ctrl-C. */
  interrupt(): void;
  /** The exit code. */
  ended: Promise<number>;
}

/** Begins a command of the executable. */
export function beginCommand(argv: readonly string[], env: Record<string, string> = {}): RunningCommand {
  const printed: Buffer[] = [];
  let err = "";
  const interrupted = new AbortController();
  const stdout = new Writable({
    write(chunk, _encoding, done) {
      printed.push(Buffer.from(chunk)); // the chunk may be overwritten once it is taken
      done();
    },
  });
  const stderr = new Writable({
    write(chunk, _encoding, done) {
      err += chunk;
      done();
    },
  });
  return {
    out: () => Buffer.concat(printed),
    err: () => err,
    interrupt: () => interrupted.abort(),
    ended: runCli(argv, COMMANDS, { env, stdout, stderr, interrupt: () => interrupted.signal }),
  };
}
