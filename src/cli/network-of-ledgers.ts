/** Which network ledgers are of whose lake does not say: their transactions tell. */
import { openLedgerInput } from "../sources/file/ledger-file.ts";
import type { SourceAccess } from "../sources/source-access.ts";
import { InputNetwork } from "./input-network.ts";

const FILES_MAX = 64; // a network's first ledgers have no transactions; so many files without one tell nothing

/**
 * The passphrase of the known network that the first ledger with a transaction is of. Undefined where there is none in
 * the first files.
 * @param path a lake folder, or what else openLedgerInput reads
 * @throws CodedError FAILED_PRECONDITION / NETWORK_UNKNOWN where no known network fits; what `openLedgerInput` throws
 * where the first files cannot be read
 */
export async function networkOfLedgers(path: string, access?: SourceAccess): Promise<string | undefined> {
  const network = new InputNetwork(undefined);
  let files = 0;
  let file = "";
  const { ledgers } = await openLedgerInput(path, access);
  for await (const ledger of ledgers) {
    if (ledger.path !== file && ++files > FILES_MAX) return undefined;
    file = ledger.path;
    const passphrase = network.of(ledger.bytes);
    if (passphrase !== undefined) return passphrase;
  }
  return undefined;
}
