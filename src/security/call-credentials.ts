/**
 * What a call says of who makes it. Clients send it in one of these ways:
 *
 * - header `authorization: Bearer <token>`, or the token in `auth-token-bin` (Flight's older clients)
 * - header `authorization: Basic …` on Handshake (pyarrow's authenticate_basic_token, JDBC, ADBC)
 * - a BasicAuth message as Handshake's payload (Flight's older handlers)
 */
import type * as grpc from "@grpc/grpc-js";
import { CodedError } from "../error.ts";
import { BasicAuth } from "../grpc/generated/flight.ts";

const TOKEN_CHARACTERS_MAX = 16 << 10; // eight times a large JWT

/** A name and a password, as they were sent. */
export interface Login {
  name: string;
  password: string;
}

/** What was sent; nothing is proved yet. */
export type CallCredentials = { token: string } | Login | undefined;

/** @throws CodedError UNAUTHENTICATED / CREDENTIALS */
export function credentialsOf(metadata: grpc.Metadata): CallCredentials {
  const header = metadata.get("authorization")[0];
  if (header !== undefined) return headerCredentials(String(header));
  const binary = metadata.get("auth-token-bin")[0];
  return binary === undefined ? undefined : { token: checkedToken(Buffer.from(binary).toString("utf8")) };
}

/** The credentials of an authorization header. @throws CodedError UNAUTHENTICATED / CREDENTIALS */
export function headerCredentials(header: string): CallCredentials {
  const [, scheme, value] = /^(Bearer|Basic) +(\S.*)$/is.exec(header) ?? [];
  if (scheme === undefined || value === undefined) {
    throw refusal("the authorization header is neither Bearer with a token nor Basic with name and password");
  }
  if (scheme.toLowerCase() === "bearer") return { token: checkedToken(value) };
  const text = Buffer.from(checkedToken(value), "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) throw refusal("the basic credentials have no colon");
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Name and password of a Handshake, in its headers or its payload. @throws CodedError UNAUTHENTICATED / CREDENTIALS */
export function loginOf(metadata: grpc.Metadata, payload: Uint8Array): Login {
  const sent = credentialsOf(metadata);
  if (sent !== undefined && "name" in sent) return sent;
  try {
    const { username, password } = BasicAuth.decode(payload);
    if (username !== "") return { name: username, password };
  } catch {
    // told below
  }
  throw refusal("send name and password: header authorization: Basic …, or a BasicAuth message");
}

function checkedToken(token: string): string {
  if (token.length <= TOKEN_CHARACTERS_MAX) return token;
  throw refusal(`the credentials have ${token.length} characters, over the maximum of ${TOKEN_CHARACTERS_MAX}`);
}

/** UNAUTHENTICATED / CREDENTIALS with that sentence. */
export function refusal(message: string): CodedError {
  return new CodedError("UNAUTHENTICATED", "CREDENTIALS", message);
}
