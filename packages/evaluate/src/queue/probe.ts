import { answersWithout } from '@hidden-attention/explain';
import { EvaluateError } from '../errors.js';
import type { Task } from '../sweep/plan.js';

/** What the model answers to the first example, rounded: whoever has the same files gets the same numbers. */
export async function probe({ data, loaded }: Task): Promise<number[]> {
  const { ids, image } = data.examples[0]!;
  const [logits] = await answersWithout({ model: loaded.model, ...(image ? { image } : { ids: ids! }) }, [[]]);
  return [data.examples.length, ...Array.from(logits!.subarray(0, 64), (logit) => Number(logit.toPrecision(5)))];
}

/** @throws EvaluateError where the files of this machine are not the coordinator's */
export async function checkProbe(task: Task, expected: readonly number[] | undefined): Promise<void> {
  if (!expected) return;
  const own = await probe(task);
  const same =
    own.length === expected.length && own.every((value, i) => Math.abs(value - expected[i]!) <= 1e-3 * Math.max(1, Math.abs(value)));
  if (!same)
    throw new EvaluateError(
      `the model "${task.model.name}" or the data set "${task.data.name}" is not the coordinator's: bring the same files to this machine`,
    );
}
