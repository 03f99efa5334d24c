import type { Model } from '@hidden-attention/model';
import * as z from '@hidden-attention/model/schema';
import type { Case } from './case.js';
import type { Example } from './example.js';

/** A figure that a protocol gives. */
export interface Figure {
  name: string;
  /** which way is better; 'neither' where it only describes */
  better: 'higher' | 'lower' | 'neither';
  /** one sentence: what it is */
  summary: string;
}

/** What was measured of one example. */
export interface Measured {
  /** figures of this example, or counts that `summarize` makes figures of */
  values: Record<string, number>;
  /** curves over `Protocol.curve`, all of one length */
  curves?: Record<string, number[]>;
}

/** A way to measure how good a method's maps are. A protocol is a value; `registerProtocol` gives it a name that sweeps know. */
export interface Protocol<Options extends object = object> {
  /** lower case, hyphens */
  name: string;
  title: string;
  /** one sentence for a newcomer */
  summary: string;
  cite: string;
  /** the first one ranks the methods */
  figures: readonly Figure[];
  /** options as a zod object with defaults; default: none */
  options?: z.ZodType<Options>;
  /** whether it draws at random: then it is run with every seed of a sweep */
  draws?: boolean;
  /** whether an oracle (the known answer as a map) says anything here */
  oracle: boolean;
  /** true, or why this example cannot be measured so */
  supports(example: Example, model: Model, options: Options): true | string;
  measure(item: Case, options: Options): Promise<Measured>;
  /** the figures of several examples; default: the means of their values */
  summarize?(records: readonly Record<string, number>[]): Record<string, number>;
  /** the axis of its curves */
  curve?: { /** default: 0, 1, 2, … */ x?(options: Options): number[]; xLabel: string; yLabel: string };
}

/** Returns its argument: lets TypeScript infer the options from their schema, which may be given as a function that makes it. */
export function defineProtocol<Options extends object>(
  protocol: Omit<Protocol<Options>, 'options'> & { options?: z.Later<z.ZodType<Options>> },
): Protocol<Options> {
  return z.settleOptions<Protocol<Options>>(protocol);
}

/** The figures of several examples: means, unless the protocol says otherwise. */
export function summarize(protocol: Protocol<never>, records: readonly Record<string, number>[]): Record<string, number> {
  if (protocol.summarize) return protocol.summarize(records);
  return Object.fromEntries(
    protocol.figures.flatMap(({ name }) => {
      const value = meanOf(records, name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** One figure of several examples; undefined where none of them has it. */
export function summarizeOne(protocol: Protocol<never>, records: readonly Record<string, number>[], name: string): number | undefined {
  return protocol.summarize ? protocol.summarize(records)[name] : meanOf(records, name);
}

/** The mean of a value over the records that have it. */
function meanOf(records: readonly Record<string, number>[], name: string): number | undefined {
  let [sum, count] = [0, 0];
  for (const record of records) {
    const value = record[name];
    if (value === undefined) continue;
    sum += value;
    count++;
  }
  return count === 0 ? undefined : sum / count;
}
