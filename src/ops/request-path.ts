/**
 * The path of a request, with its leading slash and without a query. `new URL` would not do: Bun gives a request whose
 * Host header is absent or empty (HTTP/1.0 probes) a URL that is the path alone, and one with an odd Host header a URL
 * that is not valid.
 */
export function requestPath(request: Request): string {
  const path = /^(?:[a-z]+:\/\/[^/?#]*)?([^?#]*)/i.exec(request.url)?.[1] ?? "";
  return path.startsWith("/") ? path : `/${path}`;
}

/** Path and query of a request; host and scheme mean nothing. */
export function addressOf(request: Request): URL {
  return new URL(`http://localhost${requestPath(request)}${/\?[^#]*/.exec(request.url)?.[0] ?? ""}`);
}
