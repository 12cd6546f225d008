/** The shape of generated/types.ts: every XDR type that a LedgerCloseMetaBatch can contain, by name. */

/** A name in the table, a number type, or a container: the trailing numbers are lengths or their limits. */
export type XdrTypeReference =
  | string
  | ["opaque", number]
  | ["bytes", number]
  | ["string", number]
  | ["array", XdrTypeReference, number]
  /** Element type, most elements, fewest bytes of one element. */
  | ["list", XdrTypeReference, number, number]
  | ["option", XdrTypeReference];

/** What a name of the table stands for. */
type XdrTypeDefinition =
  | ["struct", [field: string, type: XdrTypeReference][]]
  /** `switchOn` is `int` or the name of an enum; an arm without a type is void. */
  | ["union", switchOn: string, [value: number, label: string, type: XdrTypeReference | null][]]
  | ["enum", [value: number, name: string][]];

/** Every type by its name in the .x files. */
export type XdrTypeTable = Readonly<Record<string, XdrTypeDefinition>>;
