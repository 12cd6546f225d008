/** Prints what watchHeap sees, as JSON: a process of its own, whose heap no other test shares. Takes rows and rows to warm up. */
import { watchHeap } from "../../bench/support/heap.ts";
import { ledger58752000 } from "../fuzz/ledger-fixtures.ts";
import { PUBNET } from "../support/networks.ts";

const [rows, warmUp] = process.argv.slice(2).map(Number);
console.log(JSON.stringify(watchHeap(ledger58752000(), PUBNET, rows!, warmUp!, 2)));
