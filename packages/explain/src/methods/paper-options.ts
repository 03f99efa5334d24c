import type { Clamp, Normalize, Reduce } from '@hidden-attention/attention';
import * as z from '@hidden-attention/model/schema';

/** Which rows of α: as its formula has them, or as the released code computes them, without the row's own decay and the diagonal. */
export type Row = 'exact' | 'literal';
/** Where the residual stream's gradient is taken: after the block, or before it. */
export type GradientAt = 'output' | 'input';

/** Options of the paper's maps. */
export interface MatrixOptions {
  /** the first layer that counts */
  startLayer: number;
  row: Row;
  /** whether each row is divided by its sum */
  normalize: Normalize;
  /** over channels */
  aggregate: Reduce;
  /** of each entry, after everything else was multiplied in */
  clamp: Clamp;
}
export interface AttributionOptions extends MatrixOptions {
  gradientAt: GradientAt;
}
/** Options of the maps as the released code computes them. */
export type ReleasedOptions = Pick<MatrixOptions, 'startLayer' | 'row'>;
export type ReleasedAttributionOptions = ReleasedOptions & Pick<AttributionOptions, 'gradientAt'>;

/** `startLayer`: the first layer that counts. */
export const startLayerOption = (): z.ZodDefault<z.ZodCoercedNumber> => z.coerce.number().int().min(0).default(0);
const rows = () => z.enum(['exact', 'literal']);
const clamps = () => z.enum(['none', 'positive', 'absolute']);
const gradientAt = () => z.enum(['output', 'input']).default('output');
const matrix = () => ({
  startLayer: startLayerOption(),
  row: rows().default('exact'),
  normalize: z.enum(['none', 'rows']).default('none'),
  aggregate: z.enum(['mean', 'meanAbs', 'meanPositive']).default('mean'),
});

/** All of these options one by one, for methods that have some of them; `clamp` is without a default. */
export const attributionFields = (): {
  startLayer: ReturnType<typeof startLayerOption>;
  normalize: z.ZodType<Normalize>;
  aggregate: z.ZodType<Reduce>;
  clamp: z.ZodType<Clamp>;
  gradientAt: z.ZodType<GradientAt>;
} => {
  const { startLayer, normalize, aggregate } = matrix();
  return { startLayer, normalize, aggregate, clamp: clamps(), gradientAt: gradientAt() };
};

export const matrixOptions = (): z.ZodType<MatrixOptions> => z.strictObject({ ...matrix(), clamp: clamps().default('none') });
export const attributionOptions = (): z.ZodType<AttributionOptions> =>
  z.strictObject({
    ...matrix(),
    clamp: clamps().default('positive'),
    gradientAt: gradientAt(),
  });
export const releasedOptions = (): z.ZodType<ReleasedOptions> =>
  z.strictObject({ startLayer: startLayerOption(), row: rows().default('literal') });
export const releasedAttributionOptions = (): z.ZodType<ReleasedAttributionOptions> =>
  z.strictObject({
    startLayer: startLayerOption(),
    row: rows().default('literal'),
    gradientAt: gradientAt(),
  });

/** Whether a map of α with these options can be negative. */
export function canBeNegative({ aggregate, clamp }: Pick<MatrixOptions, 'aggregate' | 'clamp'>): boolean {
  return clamp === 'none' && aggregate === 'mean';
}
