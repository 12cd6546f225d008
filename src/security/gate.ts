/** The gate of one listener: who makes a call, and whether that name may make it. */
import type * as grpc from "@grpc/grpc-js";
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import { peerCertificateOf } from "../grpc/grpc-internals.ts";
import type { Access } from "./access.ts";
import { sha256 } from "./api-keys.ts";
import { type CallCredentials, credentialsOf, type Login, loginOf, refusal } from "./call-credentials.ts";
import { nameOfCertificate } from "./certificate-name.ts";
import { covers, type Grant, type Identity, identify, includes, isConfined, type Proof } from "./grant.ts";
import { HandshakeTokens } from "./handshake-tokens.ts";
import { isJwt, JwtVerifier } from "./jwt.ts";
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
  /** Who stands behind the ticket of an address, where it has one. @throws CodedError where it does not hold */
  ticketIdentity?(): Identity | undefined;
  /** The name of the certificate that the client has proved by TLS. */
  certificateName?: string;
}

/** Lets calls in, or refuses them. */
export class Gate {
  /** Names by the hashes of their keys. */
  private keys: ReadonlyMap<string, string>;
  private readonly passwords: Passwords;
  private readonly tokens: HandshakeTokens;
  private jwt: JwtVerifier | undefined;
  /** Digests of the lines of all files. */
  private lines: ReadonlySet<string>;

  /** @param told hears of every refusal */
  constructor(
    private access: Access,
    private readonly told: (refusal: Refusal) => void = () => {},
    nowMs?: () => number,
  ) {
    this.keys = keysOf(access);
    this.lines = linesOf(access);
    this.passwords = new Passwords(access.credentials, access.passwords, nowMs);
    this.jwt = access.jwt && new JwtVerifier(access.jwt);
    this.tokens = new HandshakeTokens({ ...access, nowMs });
  }

  /** Files have changed: the calls that come are judged by these. */
  renew(access: Access): void {
    const isSameIssuer = JSON.stringify(access.jwt) === JSON.stringify(this.access.jwt);
    this.access = access;
    this.keys = keysOf(access);
    this.lines = linesOf(access);
    this.passwords.use(access.credentials, access.passwords);
    this.tokens.keep((proof) => this.holds(proof));
    if (isSameIssuer) return; // its keys are known, and it may be away
    this.jwt?.close();
    this.jwt = access.jwt && new JwtVerifier(access.jwt);
  }

  /**
   * Who a caller is that has been let in, as files are now.
   * @throws CodedError UNAUTHENTICATED / CREDENTIALS, PERMISSION_DENIED / ROLE, SCOPE where it would not be let in again
   */
  readonly again = (identity: Identity): Identity => {
    const { name, proof } = identity;
    if (!this.holds(proof)) throw refusal(`what ${quoted(name)} has proved its name with has been taken back`);
    const grant = this.grantOf(proof);
    if (covers(grant, identity)) return { name, proof, ...grant };
    throw new CodedError("PERMISSION_DENIED", "SCOPE", `${quoted(name)} may read less than when this call began`);
  };

  private holds({ line }: Proof): boolean {
    return line === undefined || this.lines.has(line);
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
      const behindTicket = call.ticketIdentity?.();
      if (behindTicket !== undefined) return permitted(this.again(behindTicket), rule);
      const credentials = call.credentials();
      if (credentials !== undefined && "name" in credentials) name = credentials.name;
      const { certificateName } = call;
      const proof =
        credentials === undefined && certificateName !== undefined
          ? { name: certificateName }
          : await this.proved(credentials, addressOf(call.peer));
      name = proof.name;
      return permitted({ name, proof, ...this.grantOf(proof) }, rule);
    } catch (thrown) {
      throw this.refused(call, name, thrown);
    }
  }

  /** Gives the token that Handshake answers with. @throws CodedError UNAUTHENTICATED / CREDENTIALS */
  async login(call: GrpcCall, payload: Uint8Array): Promise<string> {
    let login: Login | undefined;
    try {
      login = loginOf(call.metadata, payload);
      return this.tokens.issue(await this.passwordProof(login, addressOf(call.getPeer())));
    } catch (thrown) {
      throw this.refused({ path: "Handshake", peer: call.getPeer() }, login?.name, thrown);
    }
  }

  private async proved(credentials: CallCredentials, address: string): Promise<Proof> {
    if (credentials === undefined) throw refusal(this.wanted());
    if ("name" in credentials) return await this.passwordProof(credentials, address);
    const hash = sha256(credentials.token);
    const name = this.keys.get(hash);
    const proof = name === undefined ? this.tokens.proofOf(hash) : { name, line: lineOf(name, hash) };
    if (proof !== undefined) return proof;
    if (this.jwt !== undefined && isJwt(credentials.token)) return await this.jwt.identityOf(credentials.token);
    throw refusal(`the token is unknown or has expired; ${this.wanted()}`);
  }

  private async passwordProof(login: Login, address: string): Promise<Proof> {
    return { name: login.name, line: lineOf(login.name, await this.passwords.check(login, address)) };
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

  private grantOf({ name, role }: Proof): Grant {
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

function keysOf({ keys }: Access): ReadonlyMap<string, string> {
  return new Map(keys.map(({ name, sha256 }) => [sha256, name]));
}

function linesOf({ keys, passwords, credentials }: Access): ReadonlySet<string> {
  return new Set([
    ...keys.map(({ name, sha256 }) => lineOf(name, sha256)),
    ...passwords.map(({ name, hash }) => lineOf(name, hash)),
    ...credentials.map(({ name, passwordSha256 }) => lineOf(name, passwordSha256)),
  ]);
}

/** What stands for a line where others may see it: its hash of a password is nobody's to guess at. */
function lineOf(name: string, hash: string): string {
  return sha256(`${name}:${hash}`);
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
