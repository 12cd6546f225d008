/**
 * Runs the cluster's simulator: `bun test/simulator/cluster/simulate.ts [--seed N] [--runs N] [--canary NAME]`.
 * A failure prints its seed; the same seed gives the same run again.
 */
import { runSimulations } from "../run-simulations.ts";
import { CLUSTER_CANARIES } from "./cluster-canaries.ts";
import { simulateCluster } from "./cluster-simulation.ts";

process.exit(await runSimulations(simulateCluster, CLUSTER_CANARIES));
