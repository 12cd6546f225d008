/**
 * Credentials as AWS tools find them: the environment, shared files and their profiles, web identity, containers, and the
 * machine's role. The library is loaded when it is first needed.
 */
import { CodedError } from "../../error.ts";

/** What a signature is made with. */
interface AwsCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

type Found = AwsCredentials & { expiration?: Date };

/** So long before they end, credentials are asked for anew. */
const RENEW_BEFORE_MS = 300_000;

/** Finds credentials once, and again before they expire. */
export class CachedCredentials {
  private found: Promise<Found> | undefined;
  private renewAtMs = Number.POSITIVE_INFINITY;

  /** @param find default: the AWS SDK's chain of providers */
  constructor(private readonly find: () => Promise<Found> = findAsAwsDoes) {}

  /**
   * @param name of the lake, for messages
   * @throws CodedError UNAUTHENTICATED / CREDENTIALS_NOT_FOUND
   */
  async get(name: string): Promise<AwsCredentials> {
    if (Date.now() >= this.renewAtMs) this.found = undefined;
    this.found ??= this.find().then((found) => {
      this.renewAtMs = found.expiration === undefined ? Number.POSITIVE_INFINITY : renewAtMs(found.expiration);
      return found;
    });
    try {
      const { accessKeyId, secretAccessKey, sessionToken } = await this.found;
      return { accessKeyId, secretAccessKey, sessionToken };
    } catch (thrown) {
      this.found = undefined;
      const detail = thrown instanceof Error ? thrown.message : String(thrown);
      const message = `${name}: no AWS credentials (${detail}): ${remedy()}; a public bucket takes ?unsigned=true`;
      throw new CodedError("UNAUTHENTICATED", "CREDENTIALS_NOT_FOUND", message, { cause: thrown });
    }
  }
}

function remedy(): string {
  const profile = process.env.AWS_PROFILE;
  if (profile === undefined) return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE";
  return `AWS_PROFILE is "${profile}": check its section in ~/.aws/credentials and ~/.aws/config`;
}

function renewAtMs(expiration: Date): number {
  return Math.max(Date.now() + 1_000, expiration.getTime() - RENEW_BEFORE_MS);
}

async function findAsAwsDoes(): Promise<Found> {
  const { defaultProvider } = await import("@aws-sdk/credential-provider-node");
  return defaultProvider()();
}
