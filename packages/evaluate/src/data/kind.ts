import type { LoadedModel } from '@hidden-attention/checkpoint';
import * as z from '@hidden-attention/model/schema';
import type { DataSet } from '../example.js';

/** A kind of data set that sweeps know by its name: where held-out inputs come from, and what is known about them. */
export interface DataKind<Options extends object = object> {
  name: string;
  /** one sentence for the docs */
  summary: string;
  options: z.ZodType<Options>;
  /**
   * The inputs as a model reads them.
   * @param place.resolve the path that a sweep file's path means
   * @throws EvaluateError where the model reads another kind of input, or a file is missing or wrong
   */
  open(options: Options, model: LoadedModel, place: { name: string; resolve(path: string): string }): Promise<DataSet>;
}

/** Returns its argument: lets TypeScript infer the options from their schema, which may be given as a function that makes it. */
export function defineData<Options extends object>(
  kind: Omit<DataKind<Options>, 'options'> & { options: z.Later<z.ZodType<Options>> },
): DataKind<Options> {
  return z.settleOptions<DataKind<Options>>(kind);
}
