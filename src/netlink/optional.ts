/** Properties that are there or not: `exactOptionalPropertyTypes` tells a missing one from one that is `undefined`. */

/** An object with the property, or without it when there is no value. */
export function present<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { readonly [Key in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: Value };
}
