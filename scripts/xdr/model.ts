/** The model of XDR types that the generators go by, read out of the classes of @stellar/stellar-sdk. */
import { xdr } from "@stellar/stellar-sdk";

export type Type =
  | { kind: "number"; name: "int" | "uint" | "hyper" | "uhyper" | "bool"; size: 4 | 8 }
  | { kind: "enum"; name: string; members: [number, string][] }
  | { kind: "opaque"; length: number }
  | { kind: "bytes"; max: number; text: boolean }
  | { kind: "array"; of: Type; length: number }
  | { kind: "list"; of: Type; max: number }
  | { kind: "option"; of: Type }
  | StructType
  | UnionType;
export interface StructType {
  kind: "struct";
  name: string;
  fields: [string, Type][];
}
export interface UnionType {
  kind: "union";
  name: string;
  switchOn: string;
  arms: { value: number; label: string; type: Type | null }[];
}

/** The parts of the SDK's type objects that carry the definition; they are the same for every js-xdr version so far. */
interface SdkType {
  name?: string;
  structName?: string;
  unionName?: string;
  enumName?: string;
  _fields?: [string, SdkType][];
  _switchOn?: SdkType;
  _switches?: Map<number | { value: number; name: string }, string | SdkType>;
  _arms?: Record<string, SdkType>;
  _defaultArm?: unknown;
  _members?: Record<string, { value: number; name: string }>;
  _childType?: SdkType;
  _maxLength?: number;
  _length?: number;
}

const NUMBERS: Record<string, Type> = {
  Int: { kind: "number", name: "int", size: 4 },
  UnsignedInt: { kind: "number", name: "uint", size: 4 },
  Hyper: { kind: "number", name: "hyper", size: 8 },
  UnsignedHyper: { kind: "number", name: "uhyper", size: 8 },
  Bool: { kind: "number", name: "bool", size: 4 },
};

// The definitions in the SDK's types are none of its declared members.
const roots = xdr as unknown as Record<string, SdkType>;
const models = new Map<SdkType, Type>();
const named = new Map<string, { type: Type; sdk: SdkType }>();

function model(sdk: SdkType): Type {
  const known = models.get(sdk);
  if (known !== undefined) return known;
  if (sdk.structName !== undefined) {
    const struct: StructType = { kind: "struct", name: sdk.structName, fields: [] };
    register(sdk, struct);
    for (const [name, type] of sdk._fields ?? []) struct.fields.push([name, model(type)]);
    return struct;
  }
  if (sdk.unionName !== undefined) {
    if (sdk._defaultArm !== undefined) throw new Error(`${sdk.unionName} has a default arm: the generator knows none`);
    const union: UnionType = {
      kind: "union",
      name: sdk.unionName,
      switchOn: sdk._switchOn?.enumName ?? "int",
      arms: [],
    };
    register(sdk, union);
    if (sdk._switchOn?.enumName !== undefined) model(sdk._switchOn);
    for (const [value, arm] of sdk._switches ?? []) {
      const isVoid = typeof arm !== "string";
      union.arms.push({
        value: typeof value === "number" ? value : value.value,
        label: isVoid ? (typeof value === "number" ? `v${value}` : value.name) : arm,
        type: isVoid ? null : model(sdk._arms![arm]!),
      });
    }
    return union;
  }
  if (sdk.enumName !== undefined) {
    const members = Object.values(sdk._members ?? {}).map((m): [number, string] => [m.value, m.name]);
    return register(sdk, { kind: "enum", name: sdk.enumName, members });
  }
  const kind = typeof sdk === "function" ? ((sdk as { name: string }).name ?? "") : (sdk as object).constructor.name;
  const number = NUMBERS[kind];
  if (number !== undefined) return number;
  switch (kind) {
    case "Opaque":
      return { kind: "opaque", length: sdk._length! };
    case "VarOpaque":
    case "String":
      return { kind: "bytes", max: sdk._maxLength!, text: kind === "String" };
    case "Option":
      return { kind: "option", of: model(sdk._childType!) };
    case "Array":
      return { kind: "array", of: model(sdk._childType!), length: sdk._length! };
    case "VarArray":
      return { kind: "list", of: model(sdk._childType!), max: sdk._maxLength! };
    default:
      throw new Error(`unknown XDR type kind ${kind}`);
  }
}

function register<T extends Type & { name: string }>(sdk: SdkType, type: T): T {
  models.set(sdk, type);
  const twin = named.get(type.name);
  if (twin !== undefined && twin.sdk !== sdk) throw new Error(`two XDR types are named ${type.name}`);
  named.set(type.name, { type, sdk });
  return type;
}

export function typeNamed(name: string): Type {
  const found = named.get(name);
  if (found === undefined) throw new Error(`no XDR type ${name}`);
  return found.type;
}

/** Reads a type of the SDK, and with it all that it is made of. */
export function rootType(name: string): Type {
  return model(roots[name]!);
}

/** Names of all types that were read, sorted. */
export function typeNames(): string[] {
  return [...named.keys()].sort();
}
