/**
 * A TCP proxy that holds each request back for some time, as distance does: a program of its own, so that its work is not
 * counted with what is measured.
 *
 *     bun bench/support/delay-proxy.ts PORT MS      prints its own port
 */
const [port, ms] = [Number(process.argv[2]), Number(process.argv[3])];

interface Link {
  to?: Bun.Socket<Bun.Socket<Link>>;
  early: Buffer[];
}

const listener = Bun.listen<Link>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    async open(socket) {
      socket.data = { early: [] };
      socket.data.to = await Bun.connect<Bun.Socket<Link>>({
        hostname: "127.0.0.1",
        port,
        data: socket,
        socket: {
          data(upstream, bytes) {
            void writeAll(upstream.data, Buffer.from(bytes));
          },
          close(upstream) {
            upstream.data.end();
          },
        },
      });
      for (const bytes of socket.data.early) socket.data.to.write(bytes);
    },
    data(socket, bytes) {
      const copy = Buffer.from(bytes);
      setTimeout(() => {
        if (socket.data.to === undefined) socket.data.early.push(copy);
        else socket.data.to.write(copy);
      }, ms);
    },
    close(socket) {
      socket.data.to?.end();
    },
  },
});
console.log(listener.port);

const waiting = new WeakMap<object, Promise<void>>();

/** In order, and without dropping what the client does not take at once. */
function writeAll(socket: Bun.Socket<Link>, bytes: Buffer): Promise<void> {
  const written = (waiting.get(socket) ?? Promise.resolve()).then(async () => {
    for (let at = 0; at < bytes.length; ) {
      const taken = socket.write(bytes.subarray(at));
      if (taken < 0) return;
      at += taken;
      if (at < bytes.length) await Bun.sleep(1);
    }
  });
  waiting.set(socket, written);
  return written;
}
