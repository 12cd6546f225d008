/**
 * Google's application-default credentials: a file that GOOGLE_APPLICATION_CREDENTIALS names, gcloud's own file, workload
 * identity and the machine's service account. The library is loaded when it is first needed.
 */
import type { GoogleAuth } from "google-auth-library";
import { CodedError } from "../../error.ts";

/** What a token may do, as Google's scopes of storage are named. */
type Scope = "read_only" | "read_write";

/** Finds credentials once; its library asks for a new token before one ends. */
export class GoogleCredentials {
  private auth: Promise<GoogleAuth> | undefined;
  private hadToken = false;

  constructor(private readonly scope: Scope = "read_only") {}

  /**
   * The value of an `Authorization` header.
   * @param name of the lake, for messages
   * @throws CodedError UNAUTHENTICATED / CREDENTIALS_NOT_FOUND; UNAVAILABLE / STORE_UNAVAILABLE where there was a token
   * before, and no new one comes
   */
  async authorization(name: string): Promise<string> {
    try {
      const options = {
        scopes: `https://www.googleapis.com/auth/devstorage.${this.scope}`,
        projectId: "-", // no request here needs it, and the library would ask other services for it
      };
      this.auth ??= import("google-auth-library").then(({ GoogleAuth }) => new GoogleAuth(options));
      const token = await (await this.auth).getAccessToken();
      if (!token) throw new Error("they give no token");
      this.hadToken = true;
      return `Bearer ${token}`;
    } catch (thrown) {
      const detail = thrown instanceof Error ? thrown.message : String(thrown);
      if (this.hadToken) {
        const message = `${name}: no new token from Google (${detail})`;
        throw new CodedError("UNAVAILABLE", "STORE_UNAVAILABLE", message, { cause: thrown });
      }
      this.auth = undefined;
      throw new CodedError(
        "UNAUTHENTICATED",
        "CREDENTIALS_NOT_FOUND",
        `${name}: no Google credentials (${detail}): set GOOGLE_APPLICATION_CREDENTIALS to a credentials file, or run gcloud auth application-default login; a public bucket takes ?unsigned=true`,
        { cause: thrown },
      );
    }
  }
}
