import { LiveAttention } from '@hidden-attention/attention';
import type { LoadedModel } from '@hidden-attention/checkpoint';
import { generate, type GenerateOptions } from '@hidden-attention/runner';

/** One line a token: the token, then what it drew on in each layer, with the share of the row that these hold. */
export async function streamLive(
  { model, tokenizer }: LoadedModel,
  ids: readonly number[],
  options: GenerateOptions,
  { over, ...watched }: { k: number; cutoff?: number | undefined; over: 'each' | 'mean' },
): Promise<void> {
  const name = (id: number): string => (tokenizer ? JSON.stringify(tokenizer.tokenText(id)).slice(1, -1) : String(id));
  const text = [...ids];
  const { k, cutoff } = watched;
  using live = new LiveAttention(model, { k, ...(cutoff === undefined ? {} : { cutoff }) });
  for await (const { id } of generate(model, [ids], { ...options, observer: live })) {
    const drawn = over === 'each' ? await live.rows() : [await live.overall()];
    process.stdout.write(`${name(id)}\n`);
    for (const { top, share, reach, alive, ...of } of drawn) {
      const where = 'layer' in of ? `layer ${String(of.layer)}` : 'all layers';
      const entries = top.map(({ position, value }) => `${position} ${name(text[position]!)} ${value.toPrecision(3)}`);
      const left = alive > 0 ? `, ${(100 * alive).toPrecision(1)} % of the state alive before` : '';
      process.stdout.write(`  ${where}: ${entries.join(' · ')}  (${(100 * share).toFixed(0)} % of the row, back to ${reach}${left})\n`);
    }
    text.push(id);
  }
}
