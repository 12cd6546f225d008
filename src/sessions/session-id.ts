/** Ids of sessions: UUIDs. */
import { createHash, randomUUID } from "node:crypto";
import type { SessionRequest } from "./session-service.ts";

const HEX_LENGTH = 32;

/**
 * A new session's id: any; of a replicated one with an idempotency key the same on every node, so that JetStream refuses the
 * second one.
 */
export function sessionId({ replicated, idempotencyKey }: SessionRequest): string {
  if (!replicated || idempotencyKey === undefined) return randomUUID();
  const hex = createHash("sha256").update(`session ${idempotencyKey}`).digest("hex").slice(0, HEX_LENGTH);
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-8$3-a$4-$5"); // version 8: made by a rule of ours
}
