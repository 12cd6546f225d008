/** The passphrases that the tests' ledgers are signed under, and others that they are not. */
import { KNOWN_NETWORKS } from "../../src/ledger/network.ts";

export const PUBNET = passphraseOf("pubnet");
export const TESTNET = passphraseOf("testnet");
export const LOAD_TEST = passphraseOf("loadtest");
/** stellar-core's own unit tests sign with this one. */
export const CORE_TESTS = "(V) (;,,;) (V)";

/** The known networks' and stellar-core's. */
export const PASSPHRASES = [...KNOWN_NETWORKS.map(({ passphrase }) => passphrase), CORE_TESTS];

function passphraseOf(name: string): string {
  const network = KNOWN_NETWORKS.find((known) => known.name === name);
  if (network === undefined) throw new Error(`${name} is no known network`);
  return network.passphrase;
}
