/** The sources that sessions may name: SOURCE_ENDPOINT without a name, and those of SOURCES, opened when first asked for. */
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import type { LedgerSource } from "../sources/source.ts";

/** All sources of the server; each is opened once. */
export class SourceSet {
  private readonly opened = new Map<string, Promise<LedgerSource>>();

  /**
   * @param standard SOURCE_ENDPOINT's; its owner closes it
   * @param named opens the source of a name
   */
  constructor(
    private readonly standard: LedgerSource,
    private readonly named: ReadonlyMap<string, () => Promise<LedgerSource>> = new Map(),
  ) {}

  /**
   * @param name absent or empty = the standard one
   * @throws CodedError NOT_FOUND / SOURCE_UNKNOWN, or why it cannot be opened; the next call tries again
   */
  async get(name: string | undefined): Promise<LedgerSource> {
    if (!name) return this.standard;
    const open = this.named.get(name);
    if (open === undefined) {
      const names = [...this.named.keys()];
      throw new CodedError(
        "NOT_FOUND",
        "SOURCE_UNKNOWN",
        `no source is named ${quoted(name)}: ${names.length === 0 ? "SOURCES names none" : `SOURCES has ${names.join(", ")}`}`,
      );
    }
    let source = this.opened.get(name);
    if (source === undefined) {
      source = open();
      this.opened.set(name, source);
      source.catch(() => this.opened.delete(name));
    }
    return source;
  }

  /** Closes the named ones. */
  async close(): Promise<void> {
    for (const source of this.opened.values()) await source.then((opened) => opened.close()).catch(() => {});
  }
}
