import { LiveAttention } from '@hidden-attention/attention';
import type { LoadedModel } from '@hidden-attention/checkpoint';
import { generate, type GenerateOptions } from '@hidden-attention/runner';

/** One line a token: the token, then what it drew on in each layer, with the share of the row that these hold. */
export async function streamLive(
  { model, tokenizer }: LoadedModel,
  ids: readonly number[],
  options: GenerateOptions,
  k: number,
): Promise<void> {
  const name = (id: number): string => (tokenizer ? JSON.stringify(tokenizer.tokenText(id)).slice(1, -1) : String(id));
  const text = [...ids];
  using live = new LiveAttention(model, { k });
  for await (const { id } of generate(model, [ids], { ...options, observer: live })) {
    const drawn = await live.rows();
    process.stdout.write(`${name(id)}\n`);
    for (const { layer, top, share, reach } of drawn) {
      const entries = top.map(({ position, value }) => `${position} ${name(text[position]!)} ${value.toPrecision(3)}`);
      process.stdout.write(`  layer ${layer}: ${entries.join(' · ')}  (${(100 * share).toFixed(0)} % of the row, back to ${reach})\n`);
    }
    text.push(id);
  }
}
