/** JWTs of an issuer that is trusted: who their bearer is, and with which role. */
import { errors, type JSONWebKeySet, type JWTPayload, type JWTVerifyResult, jwtVerify } from "jose";
import { refusal } from "./call-credentials.ts";
import { type Proof, ROLES, type Role } from "./grant.ts";
import { fixedJwks, type Jwks, remoteJwks } from "./jwks.ts";

const ALGORITHMS = ["RS256", "ES256", "EdDSA"]; // each with a public key: none, and secrets that are shared, are no proof
const CLOCK_SECONDS_MAX = 60; // that the issuer's clock and ours may differ
const NAME_CHARACTERS_MAX = 256;

/** Which tokens are accepted. It crosses threads as it is. */
export interface JwtAccess {
  issuer: string;
  audience: string;
  /** Where the keys are, or the keys. */
  keys: string | JSONWebKeySet;
  /** Authorities, in PEM, that are trusted for where the keys are; absent: the public ones. */
  ca?: string[];
  /** Name of the claim with a role; empty: no claim has one. */
  roleClaim: string;
}

/** Whether a token may be a JWT: what is none is not looked at as one. */
export function isJwt(token: string): boolean {
  return /^[\w-]+\.[\w-]*\.[\w-]*$/.test(token);
}

/** Checks JWTs. */
export class JwtVerifier {
  private readonly jwks: Jwks;

  constructor(
    private readonly access: JwtAccess,
    jwks?: Jwks,
  ) {
    this.jwks = jwks ?? (typeof access.keys === "string" ? remoteJwks(access.keys, access.ca) : fixedJwks(access.keys));
  }

  /** @throws CodedError UNAUTHENTICATED / CREDENTIALS, UNAVAILABLE / JWKS_AWAY; no sentence repeats the token */
  async identityOf(token: string): Promise<Proof> {
    const { payload } = await this.verified(token).catch((thrown) => {
      throw thrown instanceof errors.JOSEError || thrown instanceof TypeError ? refusal(faultOf(thrown)) : thrown;
    });
    const name: unknown = payload.sub; // an issuer may write anything
    if (typeof name !== "string" || name === "" || name.length > NAME_CHARACTERS_MAX) {
      throw refusal(`the JWT's sub has no name of 1 to ${NAME_CHARACTERS_MAX} characters`);
    }
    return { name, role: this.roleOf(payload) };
  }

  private async verified(token: string): Promise<JWTVerifyResult> {
    const { issuer, audience } = this.access;
    const options = {
      ...{ issuer, audience, algorithms: ALGORITHMS, clockTolerance: CLOCK_SECONDS_MAX },
      requiredClaims: ["exp", "sub"],
    };
    try {
      return await jwtVerify(token, this.jwks.keyFor, options);
    } catch (thrown) {
      if (!(thrown instanceof errors.JWKSNoMatchingKey) || !(await this.jwks.renew())) throw thrown;
      return await jwtVerify(token, this.jwks.keyFor, options);
    }
  }

  /** The highest role that the claim has: one word, or a list. A dotted name may lead into objects. */
  private roleOf(payload: JWTPayload): Role | undefined {
    const { roleClaim } = this.access;
    if (roleClaim === "") return undefined;
    const inner = (value: unknown, key: string) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string, unknown>)[key]
        : undefined;
    const claim = inner(payload, roleClaim) ?? roleClaim.split(".").reduce(inner, payload as unknown);
    const words: unknown[] = Array.isArray(claim) ? claim : [claim];
    return ROLES.findLast((role) => words.includes(role));
  }

  close(): void {
    this.jwks.close();
  }
}

function faultOf(thrown: Error): string {
  if (thrown instanceof errors.JWTExpired) return "the JWT has expired";
  if (thrown instanceof errors.JWTClaimValidationFailed)
    return `the JWT's ${thrown.claim} is missing, or not the one that is accepted here`;
  if (thrown instanceof errors.JOSEAlgNotAllowed)
    return `the JWT's algorithm is not accepted: ${ALGORITHMS.join(", ")} are`;
  if (thrown instanceof errors.JWSSignatureVerificationFailed) return "the JWT's signature is wrong";
  if (thrown instanceof errors.JWKSNoMatchingKey) return "the JWT's key is not one of the issuer's";
  return "the JWT is malformed";
}
