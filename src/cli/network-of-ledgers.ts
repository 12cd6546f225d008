/** Which network ledgers are of whose lake does not say: their transactions tell. */
import { openLedgerInput } from "../sources/file/ledger-file.ts";
import { InputNetwork } from "./input-network.ts";

const FILES_MAX = 64; // a network's first ledgers have no transactions; so many files without one tell nothing

/**
 * The passphrase of the known network that the first ledger with a transaction is of. Undefined where there is none in
 * the first files, where no known network fits, and where they cannot be read: sessions say what is wrong with those.
 * @param path a lake folder, or what else openLedgerInput reads
 */
export async function networkOfLedgers(path: string): Promise<string | undefined> {
  const network = new InputNetwork(undefined);
  let files = 0;
  let file = "";
  try {
    const { ledgers } = await openLedgerInput(path);
    for await (const ledger of ledgers) {
      if (ledger.path !== file && ++files > FILES_MAX) return undefined;
      file = ledger.path;
      const passphrase = network.of(ledger.bytes);
      if (passphrase !== undefined) return passphrase;
    }
  } catch {}
  return undefined;
}
