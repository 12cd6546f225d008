/** Beside defect 4: a session that StartProcessing has answered for is there for every client, also in the same instant. */
import { expect, test } from "bun:test";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { SAMPLE } from "../support/processor.ts";
import { expectRows, sampleRows, TestServer } from "./support.ts";

test("its id and the legacy ticket lead to it at once", async () => {
  await using server = await TestServer.start(await RepeatingSource.open(SAMPLE.folder));
  // keeps the data plane busy, so that what it is told does not arrive before it is asked
  const busy = server.read({ session: await server.startSession(50_000, 0) });
  await busy.next();
  const reading = busy.rest().catch(() => {}); // until it is cancelled
  const reader = server.read("{}");
  expect((await reader.failure()).code).toBe("INVALID_ARGUMENT");
  for (let run = 0; run < 40; run++) {
    const first = 700 + run * 7;
    const session = await server.startSession(first, first + 6);
    // over a connection that stands already, which is quicker
    const ticket = run % 2 === 0 ? JSON.stringify({ session }) : "contract-data-stream";
    expectRows(await reader.sibling(ticket).rest(), sampleRows(first, first + 6));
  }
  await busy.cancel();
  await reading;
}, 60_000);
