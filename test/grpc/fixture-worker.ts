/** The Flight fixture in a Worker: posts its port. */
import { startFixture } from "../http2/fixture-server.ts";

declare const self: { postMessage(message: number): void };

const { listener } = await startFixture();
self.postMessage(listener.port);
