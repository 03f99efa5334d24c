import type { LoadedModel } from '@hidden-attention/checkpoint';
import * as z from '@hidden-attention/model/schema';
import type { DataSet } from '../example.js';
import { Named } from '../named.js';

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

export const dataKinds: Named<DataKind> = new Named<DataKind>('kind of data');

/**
 * Makes a kind of data set known to sweeps by its name.
 * @throws EvaluateError when the name is taken, unless `overwrite`, or not in lower case with hyphens
 */
export function registerData<Options extends object>(kind: DataKind<Options>, options: { overwrite?: boolean } = {}): void {
  dataKinds.add(kind as unknown as DataKind, options.overwrite ?? false);
}

/** Returns its argument: lets TypeScript infer the options from their schema, which may be given as a function that makes it. */
export function defineData<Options extends object>(
  kind: Omit<DataKind<Options>, 'options'> & { options: z.Later<z.ZodType<Options>> },
): DataKind<Options> {
  return z.settleOptions<DataKind<Options>>(kind);
}
