import { containerMemoryLimit } from "../config/container-memory.ts";
import type { LoadedConfig } from "../config/load.ts";
import { membersOf, type SourceEndpoint } from "../config/source-endpoint.ts";
import { oneOf } from "../config/types.ts";
import { CodedError } from "../error.ts";
import type { Logger } from "../ops/log.ts";
import { fitMemory } from "../server/fit-memory.ts";
import { safeListening } from "../server/safe-listening.ts";
import { sourceAccess } from "../sources/source-access.ts";
import { defineCommand } from "./command.ts";
import { CONFIG_FLAGS, configOf } from "./config-flags.ts";
import { lookAtAccess, lookAtCredentials, lookAtDataDir, lookAtListener, lookAtTls } from "./doctor-places.ts";
import { lookAtSource } from "./doctor-source.ts";
import { type Finding, findingText } from "./finding.ts";
import { option } from "./flags.ts";
import { write } from "./output.ts";
import { PROGRAM } from "./program.ts";

const MIB = 1 << 20;
const FORMATS = ["text", "json"] as const;

export const command = defineCommand({
  usage: "[flags]",
  description:
    "Looks at all that the configuration names: every source (with its credentials, by its newest ledger), the network, DATA_DIR, the ports, the memory. It writes nothing, and leaves what runs alone. Ends with exit code 1 where something is wrong, and says what to do.",
  flags: {
    ...CONFIG_FLAGS,
    format: option({
      placeholder: "FORMAT",
      type: oneOf(FORMATS),
      summary: "text (a line for each thing) or json (an object a line). Default: text.",
    }),
  },
  examples: [
    { command: `${PROGRAM} doctor --source-endpoint ./sample/lake`, meaning: "what serve would meet with these flags" },
    { command: `${PROGRAM} doctor --config server.json`, meaning: "what it would meet with this file" },
  ],
  async run(context) {
    const loaded = configOf(context);
    const { values, origins } = loaded;
    const interrupted = context.interrupt();
    const network = origins.networkPassphrase === "default" ? undefined : values.networkPassphrase;
    const sources: [string, SourceEndpoint][] = [["SOURCE_ENDPOINT", values.sourceEndpoint]];
    for (const [name, endpoint] of values.sources) sources.push([`SOURCES ${name}`, endpoint]);
    // The members of a join are looked at one by one: a join hides that one is away.
    const places = sources.flatMap(([subject, endpoint]) => {
      const members = membersOf(endpoint);
      return members.map((member, index) => ({
        subject: members.length === 1 ? subject : `${subject} (${index + 1} of ${members.length})`,
        member,
      }));
    });
    const listening = safeListening(loaded, { info() {}, warn() {} }); // lookAtAccess tells of it
    const options = { access: sourceAccess(values), network, interrupted };
    // All at once: one that does not answer takes as long as all of them.
    const findings = [
      ...places.map(({ subject, member }) => lookAtSource(subject, member, options)),
      lookAtDataDir(values),
      lookAtListener("GRPC_ADDRESS", listening.grpcAddress),
      lookAtListener("FLIGHT_ADDRESS", listening.flightAddress),
      lookAtListener("HEALTH_PORT", listening.healthAddress),
      lookAtTls(values),
      lookAtCredentials(values),
      lookAtAccess(loaded),
      lookAtMemory(loaded),
    ];
    let troubles = 0;
    for (const pending of findings) {
      const finding = await pending;
      if (finding.state === "trouble") troubles += 1;
      await write(
        context.stdout,
        context.flags.format === "json" ? `${JSON.stringify(finding)}\n` : findingText(finding),
      );
    }
    return troubles === 0 ? 0 : 1;
  },
});

/** MAX_MEMORY_MB beside the container's limit and the workers. */
function lookAtMemory(loaded: LoadedConfig): Finding {
  const subject = "MAX_MEMORY_MB";
  const said: string[] = [];
  const log: Logger = {
    level: "info",
    debug() {},
    info: (text) => said.push(text),
    warn: (text) => said.push(text),
    error() {},
    child: () => log,
  };
  try {
    const { memoryBytesMax, workerCount } = fitMemory(loaded, containerMemoryLimit(), log);
    const detail = [`${memoryBytesMax / MIB} MiB, with ${workerCount} workers`, ...said].join("; ");
    return { subject, state: said.length === 0 ? "ok" : "note", detail };
  } catch (thrown) {
    return { subject, state: "trouble", detail: CodedError.from(thrown).message };
  }
}
