/** Looks whether file descriptors run short, says so in the log, and has HTTP connections given up before none is left. */
import type { Descriptors } from "../base/descriptors.ts";
import type { Logger } from "./log.ts";

const LOOK_MS = 100; // how long a flood of HTTP connections can hold a core; a look takes some 20 µs
const OVER_LOOKS = 100; // looks with room before it is said to be over: a flood comes and goes with each look

/** @returns what ends the watch */
export function watchDescriptors(descriptors: Descriptors, log: Logger, shedHttp: () => void): () => void {
  const { limit, reserved } = descriptors;
  let shortFor = 0; // looks until it is over
  const look = () => {
    if (!descriptors.hasRoom("flight")) {
      if (shortFor === 0) {
        log.warn("file descriptors run short: new connections are closed at once", {
          limit,
          reserved,
          remedy: "raise the limit on open files (ulimit -n, LimitNOFILE), or find out who opens so many connections",
        });
      }
      shortFor = OVER_LOOKS;
      if (!descriptors.hasRoom("http")) shedHttp();
    } else if (shortFor > 0) {
      shortFor--;
      if (shortFor === 0) log.info("there are file descriptors for connections again", { limit });
    }
  };
  const timer = setInterval(look, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
