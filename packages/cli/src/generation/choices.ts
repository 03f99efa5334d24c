import { requireTokenizer, type LoadedModel } from '@hidden-attention/checkpoint';
import { scoreContinuations } from '@hidden-attention/runner';

/** Which of the given answers the model finds likeliest behind the prompt, the likeliest first, with their log-probabilities. */
export async function chooseAnswer(
  loaded: LoadedModel,
  prompt: readonly number[],
  answers: readonly string[],
  options: { signal: AbortSignal; json: boolean },
): Promise<void> {
  const tokenizer = requireTokenizer(loaded);
  const ids = answers.map((answer) => tokenizer.encode(answer, { around: false }).ids);
  const scores = await scoreContinuations(loaded.model, prompt, ids, options);
  const largest = Math.max(...scores.map(({ logProbability }) => logProbability));
  const together = scores.reduce((sum, { logProbability }) => sum + Math.exp(logProbability - largest), 0);
  const choices = scores
    .map(({ logProbability, tokens }, i) => ({
      text: answers[i]!,
      tokens: ids[i]!,
      logProbability,
      logProbabilities: tokens,
      share: Math.exp(logProbability - largest) / together,
    }))
    .sort((a, b) => b.logProbability - a.logProbability);
  if (options.json) return void process.stdout.write(`${JSON.stringify({ choices })}\n`);
  for (const { text, tokens, logProbability, share } of choices)
    process.stdout.write(
      `${JSON.stringify(text).slice(1, -1)}  log p ${logProbability.toFixed(3)} over ${tokens.length} tokens, ${(100 * share).toFixed(1)} % of the answers given\n`,
    );
}
