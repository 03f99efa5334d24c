import type { LoadedModel } from '@hidden-attention/checkpoint';
import { beamSearch, type BeamOptions } from '@hidden-attention/runner';

/** The best continuations that beam search finds of each row, the best first. */
export async function searchBeams(
  { model, tokenizer }: LoadedModel,
  prompts: readonly (readonly number[])[],
  { json, ...options }: BeamOptions & { json: boolean },
): Promise<void> {
  const rows = [];
  for (const prompt of prompts) rows.push(await beamSearch(model, prompt, options));
  const readable = rows.map((beams) =>
    beams.map(({ ids, logProbability, score }) => ({ tokens: ids, text: tokenizer ? tokenizer.decode(ids) : null, logProbability, score })),
  );
  if (json) return void process.stdout.write(`${JSON.stringify({ beams: readable })}\n`);
  for (const { tokens, text, logProbability } of readable.flat())
    process.stdout.write(`log p ${logProbability.toFixed(3)}  ${JSON.stringify(text ?? tokens)}\n`);
}
