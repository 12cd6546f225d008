/**
 * grpc-js 1.14.7 repeats three request headers in errors of its own: the path of a method that it does not know, a
 * timeout and an encoding that it cannot read. A header may have 64 KiB, three times that once percent-encoded, and a
 * trailer of that size breaks the connection for all of its calls. So they are shortened before grpc-js sees them.
 */
import type { Http2Server } from "node:http2";

/** Longest value of each in UTF-16 units, over what any real one has. */
const LENGTHS_MAX: Readonly<Record<string, number>> = {
  ":path": 256, // the longest method of ours has 70
  "grpc-timeout": 32, // eight digits and a unit
  "grpc-encoding": 32, // a word like gzip
};

/** Shortens these headers of every call of the server. */
export function shortenEchoedHeaders(server: Http2Server): void {
  server.prependListener("stream", (_stream, headers) => {
    for (const [name, lengthMax] of Object.entries(LENGTHS_MAX)) {
      const value = headers[name];
      if (typeof value === "string" && value.length > lengthMax)
        headers[name] = value.slice(0, lengthMax).toWellFormed();
    }
  });
}
