import { unlessAborted } from "../base/unless-aborted.ts";
import { dialTarget } from "../config/address.ts";
import { readListenerTls } from "../config/listener-tls.ts";
import { isLoopback } from "../server/safe-listening.ts";
import { clientTls, TLS_FLAGS } from "./client-tls.ts";
import { defineCommand } from "./command.ts";
import { CONFIG_FLAGS, configOf } from "./config-flags.ts";
import { toggle } from "./flags.ts";
import { PROGRAM } from "./program.ts";

const ANSWER_MS_MAX = 5_000; // what probes of containers wait, with room for one that is busy
const ANSWER_CHARS_MAX = 500; // of what is not the server's report; for a sentence

/** What of a report is printed. */
interface Report {
  components: Record<string, { healthy: boolean; ready: boolean; message: string }>;
}

export const command = defineCommand({
  usage: "[flags]",
  description:
    "Asks a server over HTTP whether it is ready, and ends with exit code 0 or 1: the probe of a container, which needs no curl. The address is HEALTH_PORT's, as the server has it: by flag, environment or configuration file. Over TLS on loopback the certificate's name is not compared, because the certificate is for the name by which others reach the server.",
  flags: {
    ...CONFIG_FLAGS,
    ...TLS_FLAGS,
    live: toggle({ summary: "Ask only whether the process answers: what a restart could mend." }),
  },
  examples: [
    { command: `${PROGRAM} health`, meaning: "is the server on this machine ready?" },
    { command: `${PROGRAM} health --live`, meaning: "does it answer at all? For a container's HEALTHCHECK" },
  ],
  async run(context) {
    const { values } = configOf(context);
    const given = clientTls(context.flags, context.env);
    const tls = given ?? (readListenerTls(values, "http") === undefined ? undefined : {});
    const address = dialTarget(values.healthAddress);
    const url = `${tls === undefined ? "http" : "https"}://${address}${context.flags.live ? "/livez" : "/ready"}`;
    const isOwn = tls?.ca === undefined && isLoopback(values.healthAddress.host || "127.0.0.1");
    const timeout = AbortSignal.any([context.interrupt(), AbortSignal.timeout(ANSWER_MS_MAX)]);
    let status: number;
    let text: string;
    try {
      const answer = fetch(url, { signal: timeout, tls: { ...tls, rejectUnauthorized: !isOwn } });
      const response = await unlessAborted(answer, timeout);
      [status, text] = [response.status, await unlessAborted(response.text(), timeout)];
    } catch (thrown) {
      const why = timeout.aborted ? `no answer within ${ANSWER_MS_MAX} ms` : (thrown as Error).message;
      throw new Error(`${url}: ${why}`);
    }
    for (const line of troubles(text)) context.print(line);
    context.print(`${url}: ${status === 200 ? "yes" : `no (HTTP ${status})`}`);
    return status === 200 ? 0 : 1;
  },
});

/** A line for each component that is not well. */
function troubles(text: string): string[] {
  let report: Partial<Report>;
  try {
    report = JSON.parse(text) as Partial<Report>;
  } catch {
    return [text.slice(0, ANSWER_CHARS_MAX)];
  }
  const components = Object.entries(report.components ?? {});
  return components
    .filter(([, { healthy, ready }]) => !healthy || !ready)
    .map(([name, { healthy, message }]) => `${name} is ${healthy ? "not ready" : "unhealthy"}: ${message}`);
}
