/** What commands print on. */
import { Writable } from "node:stream";
import type { Output } from "./command.ts";

/**
 * Resolves when the system has taken the chunk, which may be overwritten then: so a slow reader of our output holds the
 * command back.
 * @throws Error of the stream
 */
export function write(output: Output, chunk: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(chunk, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/**
 * The process's standard output as a stream that ends for good at the first write that fails. process.stdout itself
 * goes on after an error, and tells of it too late for a command that has nothing more to print.
 */
export function standardOutput(): Output {
  const { stdout } = process;
  stdout.on("error", () => {}); // the write's callback has it
  const output: Output = new Writable({
    decodeStrings: false,
    write: (chunk: string | Uint8Array, _encoding, done) => void stdout.write(chunk, done),
  });
  output.isTTY = stdout.isTTY;
  return output;
}

/** Resolves with the error when the output can take no more. */
export function failureOf(output: Output): Promise<NodeJS.ErrnoException> {
  return new Promise((resolve) => {
    output.once("error", resolve);
  });
}

/** `… | head` closes our output early, which is no failure. */
export function isClosedByReader(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === "EPIPE";
}
