/** Where log lines go: standard error, for as long as somebody reads it. */

let lost = 0;
let isGuarded = false;

/** Log lines of this thread that could not be written, since nobody reads standard error any more. */
export function logLinesLost(): number {
  return lost;
}

/**
 * Standard error as an output of a logger. A line that cannot be written (its reader has gone, the disk is full) is
 * counted and left out: a log never ends the process.
 */
export function standardError(): { write(line: string): void; isTTY: boolean } {
  const { stderr } = process;
  if (!isGuarded) stderr.on("error", () => {}); // each write's callback has it
  isGuarded = true;
  return {
    isTTY: stderr.isTTY === true,
    write(line) {
      stderr.write(line, (error) => {
        if (error) lost++;
      });
    },
  };
}
