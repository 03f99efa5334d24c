import * as z from '@hidden-attention/model/schema';
import { EvaluateError } from '../errors.js';
import { sha256 } from '../sha256.js';

const options = () => z.record(z.string(), z.unknown());
const name = () =>
  z
    .string()
    .regex(/^[a-zA-Z0-9][a-zA-Z0-9.:()=, _/-]*$/, 'letters, digits, spaces and . : ( ) = , _ / - are needed, a letter or digit first');
const slug = () =>
  z.string().regex(/^[a-z0-9]+([.-][a-z0-9]+)*$/, 'lower case, digits, and single hyphens or dots between them are needed');

/** A method or protocol: its name, or its name with options, shown under another name if `as` gives one. */
const entry = () =>
  z.union([z.string().min(1), z.strictObject({ name: z.string().min(1), options: options().default({}), as: name().optional() })]);
const model = () => z.union([z.string().min(1), z.strictObject({ name: name(), path: z.string().min(1) })]);
const data = () =>
  z.strictObject({
    name: slug(),
    kind: z.string().min(1),
    options: options().default({}),
    models: z.array(z.string().min(1)).min(1).optional(),
    protocols: z.array(z.string().min(1)).min(1).optional(),
    explainers: z.array(z.string().min(1)).min(1).optional(),
    without: z.record(z.string(), z.string().min(1)).optional(),
  });

const fields = () => ({
  $schema: z.string().optional(),
  name: slug(),
  title: z.string().optional(),
  packages: z.array(z.string().min(1)).default([]),
  data: z.array(data()).min(1),
  models: z.array(model()).min(1),
  explainers: z.array(entry()).min(1).default(['all']),
  protocols: z.array(entry()).min(1),
  seeds: z.array(z.number().int().min(0).max(0x7fffffff)).min(1).default([1, 2, 3]),
  shard: z.number().int().min(1).max(10_000).default(16),
});
const schema = () => z.strictObject(fields());

/** A sweep, its defaults filled in: what is measured, on what, how often. */
export interface Sweep {
  /** what its results and its queue are called */
  name: string;
  title?: string | undefined;
  /** packages to import first: they register explainers, protocols and kinds of data */
  packages: string[];
  data: DataEntry[];
  models: ModelEntry[];
  explainers: Entry[];
  protocols: Entry[];
  /** of random draws; methods and protocols that draw nothing run with the first alone */
  seeds: number[];
  /** examples of one piece of work */
  shard: number;
}

export interface DataEntry {
  name: string;
  kind: string;
  options: Record<string, unknown>;
  /** names of the models, protocols and methods that it is for; default: all */
  models?: string[] | undefined;
  protocols?: string[] | undefined;
  explainers?: string[] | undefined;
  /** methods that are left out here, each with the reason, which the report gives */
  without?: Record<string, string> | undefined;
}

export interface ModelEntry {
  name: string;
  path: string;
}

export interface Entry {
  /** what it is called in results */
  as: string;
  name: string;
  options: Record<string, unknown>;
}

/** The schema of a sweep file, as JSON Schema: for editors. */
export const sweepSchema = (): object => z.toJSONSchema(schema(), { io: 'input' });

/**
 * Reads a sweep.
 * @throws EvaluateError naming each field that does not fit, by its path, the value seen and what is needed
 */
export function parseSweep(json: unknown): Sweep {
  const parsed = schema().safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => {
      const path = issue.path.join('.');
      if (issue.code === 'unrecognized_keys') {
        const known = issue.path.length === 0 ? `; known: ${Object.keys(fields()).join(', ')}` : '';
        return `unknown field ${issue.keys.map((key) => [path, key].filter(Boolean).join('.')).join(', ')}${known}`;
      }
      return `${path || 'the sweep'} is ${JSON.stringify(valueAt(json, issue.path)) ?? 'missing'}: ${issue.message}`;
    });
    throw new EvaluateError(`the sweep cannot be used: ${problems.join('; ')}`);
  }
  const { $schema: _, ...rest } = parsed.data;
  const sweep: Sweep = {
    ...rest,
    models: rest.models.map((own) => (typeof own === 'string' ? { name: own, path: own } : own)),
    explainers: rest.explainers.map(entryOf),
    protocols: rest.protocols.map(entryOf),
  };
  const names = {
    data: sweep.data.map((own) => own.name),
    models: sweep.models.map((own) => own.name),
    explainers: sweep.explainers.map((own) => own.as),
    protocols: sweep.protocols.map((own) => own.as),
  };
  for (const [path, all] of Object.entries(names)) refuseTwice(path, all);
  sweep.data.forEach((own, at) => {
    for (const what of ['models', 'protocols'] as const) refuseUnknown(`data.${at}.${what}`, own[what], names[what]);
  });
  return sweep;
}

function entryOf(own: z.infer<ReturnType<typeof entry>>): Entry {
  return typeof own === 'string' ? { as: own, name: own, options: {} } : { as: own.as ?? own.name, name: own.name, options: own.options };
}

function refuseTwice(path: string, names: readonly string[]): void {
  const twice = names.find((own, at) => names.indexOf(own) !== at);
  if (twice !== undefined)
    throw new EvaluateError(
      `the sweep cannot be used: ${path} has "${twice}" twice; give one of them another name${path === 'data' ? '' : ' ("as" or "name")'}`,
    );
}

function refuseUnknown(path: string, names: readonly string[] | undefined, known: readonly string[]): void {
  const unknown = names?.find((own) => !known.includes(own));
  if (unknown !== undefined)
    throw new EvaluateError(`the sweep cannot be used: ${path} has "${unknown}", which is none of ${known.join(', ')}`);
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], json);
}

/** A short mark of a sweep's content: two sweeps of one name are told apart by it. */
export const markOf = (sweep: Sweep): string => sha256(JSON.stringify(sweep), 'hex').slice(0, 16);
