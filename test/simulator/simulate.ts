/**
 * Runs the simulator: `bun test/simulator/simulate.ts [--seed N] [--runs N] [--canary order|gate|slots|cursor|assets]`.
 * SEED in the environment is the first seed too. A failure prints its seed; the same seed makes the same world again.
 */
import { CANARIES } from "./canaries.ts";
import { runSimulations } from "./run-simulations.ts";
import { simulate } from "./simulation.ts";

process.exit(await runSimulations(simulate, CANARIES));
