import * as z from '@hidden-attention/model/schema';
import { ModelError } from './errors.js';
import type { Head } from './family.js';

// Schemas are made where a configuration is read; importing this package makes none.

/** Fields of a config.json that every family has: what ends a text. */
export const tokenFields: { eos_token_id: z.ZodType<number | number[] | null | undefined> } = {
  get eos_token_id() {
    return z.union([z.number().int(), z.array(z.number().int())]).nullish();
  },
};

/** Fields that say what stands on top of the blocks. `architectures` decides: a name that ends in ForSequenceClassification is a classifier. */
export const headFields: {
  pooling: z.ZodDefault<z.ZodEnum<{ mean: 'mean'; last: 'last' }>>;
  num_labels: z.ZodOptional<z.ZodNumber>;
  id2label: z.ZodOptional<z.ZodRecord<z.ZodString, z.ZodString>>;
} = {
  get pooling() {
    return z.enum(['mean', 'last']).default('last');
  },
  get num_labels() {
    return z.number().int().positive().optional();
  },
  get id2label() {
    return z.record(z.string(), z.string()).optional();
  },
};

/**
 * Reads a config.json by a family's schema.
 * @throws ModelError with each field that does not fit, the value seen and the value needed
 */
export function parseFields<S extends z.ZodType>(family: string, schema: S, json: unknown): z.infer<S> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || 'config'} is ${JSON.stringify(valueAt(json, issue.path))}: ${issue.message}`,
  );
  throw new ModelError(`config.json of a ${family} model: ${issues.join('; ')}`);
}

/** Ids that end a text. */
export function endOfSequence({ eos_token_id: id }: z.infer<z.ZodObject<typeof tokenFields>>): number[] {
  return id == null ? [] : [id].flat();
}

/** The head that a configuration asks for. */
export function headOf(
  c: z.infer<z.ZodObject<typeof headFields>> & { architectures: string[]; tie_word_embeddings: boolean },
  family: string,
): Head {
  if (!c.architectures.some((name) => name.endsWith('ForSequenceClassification')))
    return { kind: 'language-model', tied: c.tie_word_embeddings };
  const classes = c.num_labels ?? Object.keys(c.id2label ?? {}).length;
  if (classes < 2) throw new ModelError(`config.json of a ${family} classifier: id2label names ${classes} classes; at least 2 are needed`);
  const labels = Array.from({ length: classes }, (_, id) => c.id2label?.[id] ?? `LABEL_${id}`);
  return { kind: 'classifier', classes, pooling: c.pooling, labels };
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], json);
}
