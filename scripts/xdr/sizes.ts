/** What a type's encoding takes: what can be stepped over without a look, and the fewest bytes of a value. */
import type { Type, UnionType } from "./model.ts";

/** Encoded size of a type whose bytes need no check at all; -1 where the size varies or a discriminant must be read. */
export function plainSize(type: Type): number {
  switch (type.kind) {
    case "number":
      return type.size;
    case "enum":
      return 4;
    case "opaque":
      return (type.length + 3) & ~3;
    case "array": {
      const size = plainSize(type.of);
      return size < 0 ? -1 : size * type.length;
    }
    case "struct": {
      let sum = 0;
      for (const [, field] of type.fields) {
        const size = plainSize(field);
        if (size < 0) return -1;
        sum += size;
      }
      return sum;
    }
    default:
      return -1;
  }
}

/** Where every arm of a union is plain and of one size and the discriminants are 0..n: that size; else -1. */
export function evenUnionSize(type: UnionType): number {
  const sizes = new Set(type.arms.map((arm) => (arm.type === null ? 0 : plainSize(arm.type))));
  const values = type.arms.map((arm) => arm.value).sort((a, b) => a - b);
  if (sizes.size !== 1 || values.some((value, index) => value !== index)) return -1;
  return [...sizes][0]!;
}

const sizesMin = new Map<Type, number>();
/** The fewest bytes that a value of the type can take; bounds the element count of a list by the bytes left. */
export function sizeMin(type: Type): number {
  const known = sizesMin.get(type);
  if (known !== undefined) return known;
  sizesMin.set(type, Number.POSITIVE_INFINITY); // a type inside itself never makes the minimum
  let size: number;
  switch (type.kind) {
    case "bytes":
    case "list":
    case "option":
      size = 4;
      break;
    case "array":
      size = sizeMin(type.of) * type.length;
      break;
    case "struct":
      size = type.fields.reduce((sum, [, field]) => sum + sizeMin(field), 0);
      break;
    case "union":
      size = 4 + Math.min(...type.arms.map((arm) => (arm.type === null ? 0 : sizeMin(arm.type))));
      break;
    default:
      size = plainSize(type);
  }
  sizesMin.set(type, size);
  return size;
}
