import { counted } from "../base/text.ts";
import type { Node } from "../grpc/generated/control.ts";
import { defineCommand } from "./command.ts";
import { JSON_FLAG, SERVER_FLAGS, withControl } from "./control-call.ts";
import { PROGRAM } from "./program.ts";
import { sessionJson } from "./session-text.ts";

export const command = defineCommand({
  usage: "[flags]",
  description:
    "A line for each live node of the cluster that a running server belongs to (CLUSTER), the server itself first, and on the last line how the server stands to it. A node that dies is gone within CLUSTER_LEASE.",
  flags: { ...SERVER_FLAGS, json: JSON_FLAG },
  examples: [
    { command: `${PROGRAM} nodes`, meaning: "who is there" },
    { command: `${PROGRAM} nodes --json | jq '.nodes | length'`, meaning: "how many" },
  ],
  async run(context) {
    const answer = await withControl(context, (client) => client.listNodes({}));
    if (context.flags.json) {
      context.print(sessionJson(answer));
      return;
    }
    for (const node of answer.nodes) context.print(nodeLine(node));
    context.print(answer.message);
  },
});

function nodeLine(node: Node): string {
  const { nodeId, flightLocation, controlAddress, version, sessions, streams, silentMs, self } = node;
  const heard = self ? "this one" : `heard of ${(silentMs / 1000).toFixed(1)} s ago`;
  return `${nodeId}  ${flightLocation}  control ${controlAddress}  ${version}  ${counted(sessions, "session")}  ${counted(streams, "stream")}  ${heard}`;
}
