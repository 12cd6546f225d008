const EXIT_INTERRUPTED = 130; // 128 + SIGINT, as shells report it

let controller: AbortController | undefined;

/** See CommandContext.interrupt. */
export function interruptSignal(): AbortSignal {
  if (!controller) {
    const interrupted = new AbortController();
    controller = interrupted;
    const onSignal = () => {
      if (interrupted.signal.aborted) process.exit(EXIT_INTERRUPTED);
      interrupted.abort();
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  }
  return controller.signal;
}
