/** Descriptors of PollFlightInfo. */
import { FlightDescriptor_DescriptorType as DescriptorType, type FlightDescriptor } from "../grpc/generated/flight.ts";
import { JsonObject } from "./json-object.ts";
import { takeDataset, takeShardKey } from "./range-ticket.ts";
import { parseDescriptor, type ReadRequest } from "./tickets.ts";

/** The descriptor of a first poll, or the one that a poll has answered with. */
export function parsePoll(descriptor: FlightDescriptor): { read: ReadRequest; seen?: number } {
  if (descriptor.type === DescriptorType.CMD && descriptor.cmd.length > 0 && descriptor.cmd[0] === 0x7b) {
    const json = JsonObject.parse(Buffer.from(descriptor.cmd).toString("utf8"), "descriptor", '{"session":"<id>"}');
    if (json.has("poll")) {
      const id = json.text("session");
      const seen = json.integer("poll", 0, Number.MAX_SAFE_INTEGER);
      const dataset = takeDataset(json);
      const shard = takeShardKey(json);
      json.end();
      if (id === undefined) throw json.missing("session", "a session id");
      return { read: { kind: "session", id, dataset, shard }, seen };
    }
  }
  return { read: parseDescriptor(descriptor) };
}
