import { sumLast } from './ops/reduce.js';
import type { Operands } from './op.js';
import { scope } from './scope.js';
import { unrecorded, type GradientOptions, type Tape } from './tape.js';
import { Tensor } from './tensor.js';

/** Where a number that is not finite first appears. */
export interface NotFinite {
  /** in what an op gives, or in what its gradient gives */
  in: 'value' | 'gradient';
  op: string;
  /** its number on the tape */
  call: number;
}

/** Σ|x| of the tensors of floats among these: not finite where one of them is not. Kept whatever scope this runs in. */
function sizes(tensors: Operands): Tensor[] {
  const floats = Object.values(tensors).filter((tensor) => tensor && tensor.dtype !== 'i32' && tensor.dtype !== 'i8' && tensor.size > 0);
  const sums = scope(() => floats.map((tensor) => sumLast(tensor!.view([1, tensor!.size]), 'abs')));
  for (const sum of sums) sum.retain();
  return sums;
}

/**
 * The first op of a tape, in the order in which numbers are made, that gives a number that is not finite: forwards from its
 * inputs, then backwards from `output` to `inputs`.
 */
export async function firstNotFinite(
  tape: Tape,
  output: Tensor,
  inputs: readonly Tensor[],
  options: Omit<GradientOptions, 'watch'> = {},
): Promise<NotFinite | undefined> {
  const found = async (passes: readonly { call: number; sums: Tensor[] }[]): Promise<number | undefined> => {
    let first: number | undefined;
    for (const { call, sums } of passes) {
      for (const sum of sums) {
        if (first === undefined && !Number.isFinite(await sum.item())) first = call;
        sum.dispose();
        sum.letGo();
      }
    }
    return first;
  };
  const values = unrecorded(() => tape.calls.map(({ call }, number) => ({ call: number, sums: sizes(call.outputs) })));
  const value = await found(values);
  if (value !== undefined) return { in: 'value', op: tape.calls[value]!.op.name, call: value };
  const gradients: { call: number; sums: Tensor[] }[] = [];
  const results = tape.gradient(output, inputs, {
    ...options,
    watch: (call, dInputs) => void gradients.push({ call, sums: sizes(dInputs) }),
  });
  for (const tensor of results) tensor.dispose();
  const gradient = await found(gradients);
  return gradient === undefined ? undefined : { in: 'gradient', op: tape.calls[gradient]!.op.name, call: gradient };
}
