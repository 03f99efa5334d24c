// What configurations, options and results are described with: zod's own functions and types, those that these packages use. Built, this
// module holds zod once for all of them, without the messages in fifty languages that zod itself loads. `import * as z from` it; a
// package of a third party describes its options with the zod that it depends on.
import type { ZodType } from 'zod';

export {
  array,
  boolean,
  coerce,
  custom,
  enum,
  literal,
  looseObject,
  null,
  number,
  object,
  preprocess,
  record,
  strictObject,
  string,
  toJSONSchema,
  tuple,
  union,
  unknown,
  ZodObject,
} from 'zod';
export type { infer, ZodCoercedNumber, ZodDefault, ZodEnum, ZodNumber, ZodOptional, ZodRecord, ZodString, ZodTuple, ZodType } from 'zod';

/** A schema, or a function that makes it when it is first needed: importing many schemas then costs nothing. */
export type Later<S> = S | (() => S);

/** What `make` makes, made once, when it is first asked for. */
export function once<S>(make: () => S): () => S {
  let made: { schema: S } | undefined;
  return () => (made ??= { schema: make() }).schema;
}

/** Gives back the same definition; where its options are a function, they become what that makes when they are first read. */
export function settleOptions<Definition extends { options?: ZodType }>(
  definition: Omit<Definition, 'options'> & { options?: Later<NonNullable<Definition['options']>> | undefined },
): Definition {
  const { options } = definition;
  if (typeof options === 'function') Object.defineProperty(definition, 'options', { get: once(options), enumerable: true });
  return definition as unknown as Definition;
}
