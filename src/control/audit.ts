/** The audit log: a line for each call that changes something, whoever made it and however it ended. */
import { shortened } from "../base/text.ts";
import { CodedError } from "../error.ts";
import type { Handlers, ServiceType } from "../grpc/service.ts";
import type { Refusal } from "../security/gate.ts";
import { type Identity, identityOf } from "../security/grant.ts";
import { ruleOf } from "../security/method-rules.ts";

const REQUEST_CHARACTERS_MAX = 2000; // a change of filters may name thousands of contracts

/** Writes a line with these fields. */
export type AuditLine = (message: string, fields: Readonly<Record<string, string>>) => void;

type UnaryHandler = (request: object, call: { getPeer(): string }) => unknown;

/** Who has called, from where, and with what. */
interface AuditedCall {
  /** undefined: nobody is asked who he is. */
  identity: Identity | undefined;
  peer: string;
  /** The request, as text. */
  what: string;
}

/** What writes the line of one call of a method, once that has ended: with OK or an error, and the session that it started. */
export function auditLine(
  write: AuditLine,
  method: string,
  { identity, peer, what }: AuditedCall,
): (outcome: "OK" | CodedError, session?: string) => void {
  return (outcome, session) =>
    write(`audit: ${method}`, {
      who: identity?.name ?? "anybody",
      peer,
      what: shortened(what, REQUEST_CHARACTERS_MAX),
      ...(session === undefined ? {} : { session }),
      outcome: outcome === "OK" ? outcome : outcomeOf(outcome),
    });
}

/** The handlers, of which those that change something write a line when they have ended. */
export function audited<S extends ServiceType>(service: S, handlers: Handlers<S>, write: AuditLine): Handlers<S> {
  const wrapped = Object.entries(service.methods).map(([key, { name }]) => {
    const handler = handlers[key as keyof S["methods"]] as UnaryHandler;
    if (!ruleOf(`${service.typeName}/${name}`)?.changes) return [key, handler];
    const audit: UnaryHandler = async (request, call) => {
      const what = requestText(request);
      const line = auditLine(write, name, { identity: identityOf(call), peer: call.getPeer(), what });
      try {
        const response = (await handler(request, call)) as { sessionId?: string };
        line("OK", response.sessionId);
        return response;
      } catch (thrown) {
        line(CodedError.from(thrown));
        throw thrown;
      }
    };
    return [key, audit];
  });
  return Object.fromEntries(wrapped) as Handlers<S>;
}

/** The line for a known caller whom the gate has refused; strangers are in the log of refusals, which is bounded. */
export function auditRefusal({ path, peer, name, error }: Refusal, write: AuditLine): void {
  if (name === undefined || error.code !== "PERMISSION_DENIED" || !ruleOf(path)?.changes) return;
  const call = path.startsWith("/") ? path : path.split("/").at(-1); // of HTTP, or a method of gRPC
  write(`audit: ${call}`, { who: name, peer, outcome: outcomeOf(error) });
}

function outcomeOf(thrown: unknown): string {
  const { code, reason } = CodedError.from(thrown);
  return `${code} / ${reason}`;
}

/** The fields that were given; an idempotency key is its client's own. */
function requestText(request: object): string {
  const given = (value: unknown): unknown => (value instanceof Map ? Object.fromEntries(value) : value);
  const isEmpty = (value: unknown) =>
    value === undefined ||
    value === "" ||
    value === 0 ||
    value === false ||
    (Array.isArray(value) && value.length === 0);
  const fields = Object.entries(request).filter(([name, value]) => name !== "idempotencyKey" && !isEmpty(value));
  return JSON.stringify(Object.fromEntries(fields), (_, value) => given(value));
}
