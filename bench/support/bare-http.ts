/** An HTTP server that does nothing but answer with so many bytes: `bun bare-http.ts BYTES` prints its host:port. */
const body = "x".repeat(Number(process.argv[2]));
const headers = { "Content-Type": "application/json" };
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(body, { headers }) });
console.log(`127.0.0.1:${server.port}`);
