/** The gate of one listener: who makes a call, and whether that name may make it. */
import type * as grpc from "@grpc/grpc-js";
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import { peerCertificateOf } from "../grpc/grpc-internals.ts";
import type { Access } from "./access.ts";
import { sha256 } from "./api-keys.ts";
import { type CallCredentials, credentialsOf, type Login, loginOf, refusal } from "./call-credentials.ts";
import { nameOfCertificate } from "./certificate-name.ts";
import { type Grant, type Identity, identify, includes, isConfined } from "./grant.ts";
import { HandshakeTokens } from "./handshake-tokens.ts";
import { isJwt, type JwtIdentity, JwtVerifier } from "./jwt.ts";
import { type MethodRule, ruleOf } from "./method-rules.ts";
import { Passwords } from "./passwords.ts";

/** A call that was refused, for counters and the log. */
export interface Refusal {
  /** The method, or the path of HTTP. */
  path: string;
  /** Address of the caller. */
  peer: string;
  /** As the caller gave or has proved it; undefined where it did neither. */
  name: string | undefined;
  error: CodedError;
}

/** A call as gRPC servers have it. */
interface GrpcCall {
  readonly metadata: grpc.Metadata;
  getPeer(): string;
}

/** A call, whatever it came by. */
interface AnyCall {
  path: string;
  peer: string;
  /** @throws CodedError UNAUTHENTICATED / CREDENTIALS */
  credentials(): CallCredentials;
  /** The name of the certificate that the client has proved by TLS. */
  certificateName?: string;
}

/** Lets calls in, or refuses them. */
export class Gate {
  /** Names by the hashes of their keys. */
  private readonly keys: ReadonlyMap<string, string>;
  private readonly passwords: Passwords;
  private readonly tokens: HandshakeTokens;
  private readonly jwt: JwtVerifier | undefined;

  /** @param told hears of every refusal */
  constructor(
    private readonly access: Access,
    private readonly told: (refusal: Refusal) => void = () => {},
    nowMs?: () => number,
  ) {
    this.keys = new Map(access.keys.map(({ name, sha256 }) => [sha256, name]));
    this.passwords = new Passwords(access.credentials, access.passwords, nowMs);
    this.jwt = access.jwt && new JwtVerifier(access.jwt);
    this.tokens = new HandshakeTokens({ ...access, nowMs });
  }

  /**
   * Lets a gRPC call in, and says who makes it; `identityOf` knows it then too.
   * @param path `package.Service/Method`
   * @throws CodedError UNAUTHENTICATED / CREDENTIALS, PERMISSION_DENIED / ROLE, SCOPE
   */
  readonly admit = async (call: GrpcCall, path: string): Promise<Identity | undefined> => {
    const credentials = () => credentialsOf(call.metadata);
    const identity = await this.identityFor({
      path,
      peer: call.getPeer(),
      credentials,
      certificateName: nameOfCertificate(peerCertificateOf(call)),
    });
    if (identity !== undefined) identify(call, identity);
    return identity;
  };

  /**
   * Who makes a call; undefined where its rule asks nobody.
   * @throws CodedError as `admit`
   */
  async identityFor(call: AnyCall): Promise<Identity | undefined> {
    const rule = ruleOf(call.path);
    if (rule?.needs === "nobody") return undefined;
    if (rule?.part !== undefined && this.access.open.includes(rule.part)) return undefined;
    let name: string | undefined;
    try {
      const credentials = call.credentials();
      if (credentials !== undefined && "name" in credentials) name = credentials.name;
      const { certificateName } = call;
      const proved =
        credentials === undefined && certificateName !== undefined
          ? { name: certificateName }
          : await this.proved(credentials, addressOf(call.peer));
      name = proved.name;
      return permitted({ name, ...this.grantOf(proved) }, rule);
    } catch (thrown) {
      throw this.refused(call, name, thrown);
    }
  }

  /** Gives the token that Handshake answers with. @throws CodedError UNAUTHENTICATED / CREDENTIALS */
  async login(call: GrpcCall, payload: Uint8Array): Promise<string> {
    let login: Login | undefined;
    try {
      login = loginOf(call.metadata, payload);
      await this.passwords.check(login, addressOf(call.getPeer()));
      return this.tokens.issue(login.name);
    } catch (thrown) {
      throw this.refused({ path: "Handshake", peer: call.getPeer() }, login?.name, thrown);
    }
  }

  private async proved(credentials: CallCredentials, address: string): Promise<JwtIdentity> {
    if (credentials === undefined) throw refusal(this.wanted());
    if ("name" in credentials) {
      await this.passwords.check(credentials, address);
      return { name: credentials.name };
    }
    const hash = sha256(credentials.token);
    const name = this.keys.get(hash) ?? this.tokens.nameOf(hash);
    if (name !== undefined) return { name };
    if (this.jwt !== undefined && isJwt(credentials.token)) return await this.jwt.identityOf(credentials.token);
    throw refusal(`the token is unknown or has expired; ${this.wanted()}`);
  }

  /** What a caller can do about it. */
  private wanted(): string {
    const { credentials, keys, passwords, jwt } = this.access;
    const ways = [];
    if (keys.length > 0) ways.push("send an API key, authorization: Bearer <key>");
    if (jwt !== undefined) ways.push(`send a JWT of ${jwt.issuer}, authorization: Bearer <token>`);
    if (credentials.length + passwords.length > 0) {
      ways.push("send name and password, authorization: Basic … (to Flight's Handshake for a token)");
    }
    return `this server asks who is calling: ${ways.join(", or ")}`;
  }

  private grantOf({ name, role }: JwtIdentity): Grant {
    const { names, others } = this.access.rules;
    const grant = names.get(name) ?? (role === undefined ? others : { role });
    const { bytesPerSecondMax } = this.access;
    if (grant !== undefined) return bytesPerSecondMax === 0 ? grant : { bytesPerSecondMax, ...grant };
    throw new CodedError("PERMISSION_DENIED", "ROLE", `${quoted(name)} has no role here: ACCESS_FILE gives roles`);
  }

  private refused(call: Pick<AnyCall, "path" | "peer">, name: string | undefined, thrown: unknown): unknown {
    if (!(thrown instanceof CodedError)) return thrown;
    this.told({ path: call.path, peer: call.peer, name, error: thrown });
    return thrown;
  }
}

/** The peer without its port. */
function addressOf(peer: string): string {
  return peer.replace(/:\d+$/, "");
}

/** The identity, where the rule lets it in. @throws CodedError PERMISSION_DENIED / ROLE, SCOPE */
function permitted(identity: Identity, rule: MethodRule | undefined): Identity {
  const needs = rule?.needs ?? "admin";
  const { name, role } = identity;
  if (needs !== "nobody" && !includes(role, needs)) {
    throw new CodedError("PERMISSION_DENIED", "ROLE", `${quoted(name)} is ${role}, and this call is for ${needs}s`);
  }
  if (rule?.ofAll && isConfined(identity)) {
    throw new CodedError(
      "PERMISSION_DENIED",
      "SCOPE",
      `${quoted(name)} may use some sessions or contracts only, and this call is about all of them`,
    );
  }
  return identity;
}
