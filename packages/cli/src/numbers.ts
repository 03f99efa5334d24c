import type { SafetensorsInput } from '@hidden-attention/checkpoint';

/** Numbers in row-major order. */
interface Numbers {
  shape: readonly number[];
  data: readonly number[];
}

/** What stands at one place of JSON, by the names of the keys that lead there. Lists of things of one form are stacked. */
function numbersIn(value: unknown): Map<string, Numbers> {
  if (typeof value === 'number') return new Map([['', { shape: [], data: [value] }]]);
  if (Array.isArray(value)) return stacked(value);
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(Object.entries(value).flatMap(([key, inner]) => below(key, numbersIn(inner))));
}

const below = (key: string, found: ReadonlyMap<string, Numbers>): [string, Numbers][] =>
  [...found].map(([name, numbers]) => [name === '' ? key : `${key}.${name}`, numbers]);

function stacked(values: readonly unknown[]): Map<string, Numbers> {
  const numeric = values.some((value) => typeof value === 'number');
  const all = values.map((value) => numbersIn(numeric && (value === null || value === undefined) ? NaN : value)); // null among numbers: there is none
  const [first] = all;
  if (!first) return new Map();
  const form = (found: ReadonlyMap<string, Numbers>): string => JSON.stringify([...found].map(([name, { shape }]) => [name, shape]));
  if (all.some((other) => form(other) !== form(first))) return new Map(all.flatMap((found, at) => below(String(at), found)));
  return new Map(
    [...first].map(([name, { shape }]) => [
      name,
      { shape: [all.length, ...shape], data: all.flatMap((found) => [...found.get(name)!.data]) },
    ]),
  );
}

/**
 * All numbers of some results as float32 tensors, named by where they stand in their JSON: `rows.0.target.id`, `rows.0.sites.layers.scores`
 * [sites, layers, L]. Lists of things of one form are one tensor, of others one each, numbered; null among numbers is NaN, words are left out.
 */
export function tensorsOf(results: readonly object[]): SafetensorsInput[] {
  return results.flatMap((result, row) =>
    below(`rows.${row}`, numbersIn(result)).map(([name, { shape, data }]) => ({
      name,
      dtype: 'F32' as const,
      shape: [...shape],
      data: Float32Array.from(data),
    })),
  );
}
