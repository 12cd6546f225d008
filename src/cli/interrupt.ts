const EXIT_INTERRUPTED = 130; // 128 + SIGINT, as shells report it
const REPEAT_MS = 300; // one Ctrl-C may come twice, from the terminal and from a parent such as make that passes it on

let controller: AbortController | undefined;

/** See CommandContext.interrupt. */
export function interruptSignal(): AbortSignal {
  if (!controller) {
    const interrupted = new AbortController();
    controller = interrupted;
    let firstMs = 0;
    const onSignal = () => {
      if (!interrupted.signal.aborted) {
        firstMs = performance.now();
        interrupted.abort();
      } else if (performance.now() - firstMs > REPEAT_MS) process.exit(EXIT_INTERRUPTED);
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  }
  return controller.signal;
}
