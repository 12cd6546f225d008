/** A plain web server over a folder, with whatever oddities its test wants. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

/** Answers in place of the folder where it gives something. */
type Oddity = (request: Request, file: string | undefined) => Response | Promise<Response> | undefined;

export class FolderServer implements Disposable {
  private readonly server: Bun.Server<undefined>;
  /** Method, path and query of each request so far. */
  readonly requests: string[] = [];

  constructor(
    private readonly folder: string,
    private readonly odd: Oddity = () => undefined,
    private readonly tls?: Bun.TLSOptions,
  ) {
    this.server = Bun.serve({ hostname: "127.0.0.1", port: 0, tls, fetch: (request) => this.answer(request) });
  }

  /** `http://127.0.0.1:PORT`, or `https://…` */
  get endpoint(): string {
    return `${this.tls === undefined ? "http" : "https"}://127.0.0.1:${this.server.port}`;
  }

  [Symbol.dispose](): void {
    void this.server.stop(true);
  }

  private answer(request: Request): Response | Promise<Response> {
    const { pathname, search } = new URL(request.url);
    this.requests.push(`${request.method} ${pathname}${search}`);
    const path = join(this.folder, decodeURIComponent(pathname));
    const file = existsSync(path) && statSync(path).isFile() ? path : undefined;
    return this.odd(request, file) ?? plainAnswer(file);
  }
}

/** The file, or 404. */
export function plainAnswer(file: string | undefined, headers: Record<string, string> = {}): Response {
  if (file === undefined) return new Response("not here", { status: 404 });
  const modified = new Date(statSync(file).mtimeMs).toUTCString();
  return new Response(Bun.file(file), { headers: { "last-modified": modified, ...headers } });
}
