/**
 * Google's doors on loopback: a token service that gives a token for what a credentials file says (external account, as
 * workload identity has it), and a gate that lets requests with that token through to a store.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const TOKEN = "a-token";

export class GoogleLogin implements Disposable {
  private readonly folder = mkdtempSync(join(tmpdir(), "google-login-"));
  private readonly server: Bun.Server<undefined>;
  /** Tokens given. */
  tokens = 0;

  /** @param store behind the gate */
  constructor(private readonly store: string) {
    this.server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => this.answer(request) });
    writeFileSync(join(this.folder, "subject"), "who I am");
    const credentials = {
      type: "external_account",
      audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: `${this.endpoint}/token`,
      credential_source: { file: join(this.folder, "subject") },
    };
    writeFileSync(this.file, JSON.stringify(credentials));
  }

  /** The store behind the gate. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }

  /** What GOOGLE_APPLICATION_CREDENTIALS names. */
  get file(): string {
    return join(this.folder, "credentials.json");
  }

  [Symbol.dispose](): void {
    void this.server.stop(true);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async answer({ url, method, headers }: Request): Promise<Response> {
    const { pathname, search } = new URL(url);
    if (pathname === "/token") {
      this.tokens += 1;
      const kind = "urn:ietf:params:oauth:token-type:access_token";
      return Response.json({ access_token: TOKEN, issued_token_type: kind, token_type: "Bearer", expires_in: 3600 });
    }
    const authorization = headers.get("authorization");
    if (authorization === `Bearer ${TOKEN}`) return fetch(this.store + pathname + search, { method });
    const [status, who] = authorization === null ? [401, "Anonymous caller"] : [403, "x@y.iam.gserviceaccount.com"];
    const message = `${who} does not have storage.objects.list access to the Google Cloud Storage bucket.`;
    return Response.json({ error: { code: status, message } }, { status });
  }
}
