/**
 * Signals that ask the process to end: one handler for all commands. Without a handler they would not end a process that
 * is number 1 of its container, since the kernel ignores them there.
 */

/** Shells report 128 + the signal's number. */
const EXITS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const REPEAT_MS = 300; // one Ctrl-C may come twice, from the terminal and from a parent such as make that passes it on

/** Why the signal of a command has aborted. */
class Interrupted extends Error {
  /** @param exitCode what a shell reports of it */
  constructor(readonly exitCode: number) {
    super("interrupted");
  }
}

/** The exit code of a command that `interruptSignal` has ended. */
export function interruptedExitCode({ reason }: AbortSignal): number {
  return reason instanceof Interrupted ? reason.exitCode : EXITS.SIGINT;
}

type EndingSignal = keyof typeof EXITS;

let controller: AbortController | undefined;
let isHandling = false;

/**
 * From now on SIGHUP, SIGINT and SIGTERM end the process with 129, 130 or 143, until a command asks for
 * `interruptSignal`: then the first of them aborts that, and the second ends the process with 130. Calling it again does
 * nothing.
 */
export function handleSignals(): void {
  if (isHandling) return;
  isHandling = true;
  for (const name of Object.keys(EXITS) as EndingSignal[]) process.on(name, () => onSignal(name));
}

/** See CommandContext.interrupt. */
export function interruptSignal(): AbortSignal {
  handleSignals();
  controller ??= new AbortController();
  return controller.signal;
}

let firstMs = 0;

function onSignal(name: EndingSignal): void {
  if (controller === undefined) process.exit(EXITS[name]);
  if (!controller.signal.aborted) {
    firstMs = performance.now();
    controller.abort(new Interrupted(EXITS[name]));
  } else if (performance.now() - firstMs > REPEAT_MS) process.exit(EXITS.SIGINT);
}
