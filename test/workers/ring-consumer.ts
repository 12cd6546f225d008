/** The other thread of the wake-up test in ring.test.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { Bell } from "../../src/workers/bell.ts";
import { RingConsumer } from "../../src/workers/ring.ts";

const { memory, bell: cells } = workerData as { memory: SharedArrayBuffer; bell: Int32Array };
const bell = new Bell(cells, 0);
const ring = new RingConsumer(memory);
let messages = 0;
let checksum = 0;
let timeouts = 0;
for (;;) {
  const seen = bell.read();
  const closed = ring.closed;
  if (ring.next()) {
    const view = ring.view();
    if (ring.tag !== messages || view[0] !== view[view.length - 1]) throw new Error(`message ${messages} is damaged`);
    checksum = (checksum * 31 + view.length * 256 + view[0]!) >>> 0;
    messages += 1;
    ring.release();
    continue;
  }
  if (closed) break;
  const before = performance.now();
  bell.wait(seen, 5000);
  if (performance.now() - before > 4900) timeouts += 1;
}
parentPort!.postMessage({ messages, checksum, timeouts });
