/**
 * Stellar's XDR types as @stellar/stellar-sdk holds them, read out of its classes at run time: what the plain decoder,
 * the generator of random values and the mutations go by. Shares nothing with scripts/generate-xdr.ts but the SDK.
 */
import { xdr } from "@stellar/stellar-sdk";

export type Shape =
  | { kind: "number"; size: 4 | 8 }
  | { kind: "bool" }
  | { kind: "enum"; name: string; values: readonly number[] }
  | { kind: "opaque"; length: number }
  | { kind: "bytes"; max: number }
  | { kind: "array"; of: Shape; length: number }
  | { kind: "list"; of: Shape; max: number }
  | { kind: "option"; of: Shape }
  | StructShape
  | UnionShape;

interface StructShape {
  kind: "struct";
  name: string;
  fields: { name: string; shape: Shape }[];
}

export interface UnionShape {
  kind: "union";
  name: string;
  /** By discriminant; a void arm has no shape. */
  arms: Map<number, { name: string; shape?: Shape }>;
}

/** What the SDK's classes and type objects carry. */
interface SdkType {
  structName?: string;
  unionName?: string;
  enumName?: string;
  _fields?: [string, SdkType][];
  _switches?: Map<number | { value: number; name: string }, unknown>;
  _arms?: Record<string, SdkType>;
  _members?: Record<string, { value: number }>;
  _childType?: SdkType;
  _length?: number;
  _maxLength?: number;
}

const known = new Map<SdkType, Shape>();

function shapeOf(type: SdkType): Shape {
  const found = known.get(type);
  if (found !== undefined) return found;
  if (type.structName !== undefined) {
    const struct: StructShape = { kind: "struct", name: type.structName, fields: [] };
    known.set(type, struct); // before its fields: they may lead back here
    for (const [name, field] of type._fields!) struct.fields.push({ name, shape: shapeOf(field) });
    return struct;
  }
  if (type.unionName !== undefined) {
    const union: UnionShape = { kind: "union", name: type.unionName, arms: new Map() };
    known.set(type, union);
    for (const [member, arm] of type._switches!) {
      const value = typeof member === "number" ? member : member.value;
      const name = typeof arm === "string" ? arm : typeof member === "number" ? `v${member}` : member.name;
      union.arms.set(value, { name, shape: typeof arm === "string" ? shapeOf(type._arms![arm]!) : undefined });
    }
    return union;
  }
  const shape = leafOrContainer(type);
  known.set(type, shape);
  return shape;
}

function leafOrContainer(type: SdkType): Shape {
  if (type.enumName !== undefined) {
    return { kind: "enum", name: type.enumName, values: Object.values(type._members!).map((member) => member.value) };
  }
  const name = typeof type === "function" ? (type as { name: string }).name : (type as object).constructor.name;
  switch (name) {
    case "Int":
    case "UnsignedInt":
      return { kind: "number", size: 4 };
    case "Hyper":
    case "UnsignedHyper":
      return { kind: "number", size: 8 };
    case "Bool":
      return { kind: "bool" };
    case "Opaque":
      return { kind: "opaque", length: type._length! };
    case "VarOpaque":
    case "String":
      return { kind: "bytes", max: type._maxLength! };
    case "Array":
      return { kind: "array", of: shapeOf(type._childType!), length: type._length! };
    case "VarArray":
      return { kind: "list", of: shapeOf(type._childType!), max: type._maxLength! };
    case "Option":
      return { kind: "option", of: shapeOf(type._childType!) };
    default:
      throw new Error(`the SDK has a type ${name}, which this reading of it does not know`);
  }
}

/** The shape of a type by the SDK's name for it. */
export function shapeNamed(name: string): Shape {
  return shapeOf((xdr as Record<string, SdkType>)[name]!);
}

const sizes = new Map<Shape, number>();

/** The fewest bytes that a value can take. */
export function sizeMin(shape: Shape): number {
  const found = sizes.get(shape);
  if (found !== undefined) return found;
  sizes.set(shape, Number.POSITIVE_INFINITY); // a value inside its own type is never the smallest
  const size = (() => {
    switch (shape.kind) {
      case "number":
        return shape.size;
      case "opaque":
        return padded(shape.length);
      case "array":
        return shape.length * sizeMin(shape.of);
      case "struct":
        return shape.fields.reduce((sum, field) => sum + sizeMin(field.shape), 0);
      case "union":
        return 4 + Math.min(...[...shape.arms.values()].map((arm) => (arm.shape ? sizeMin(arm.shape) : 0)));
      default:
        return 4;
    }
  })();
  sizes.set(shape, size);
  return size;
}

export function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
