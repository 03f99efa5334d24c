import { perplexity } from '@hidden-attention/runner';
import type { Command } from 'commander';
import { checkInputFlags, readInput, type InputFlags } from '../input.js';
import { resolveModel } from '../models.js';
import { addModelAndInput, type ModelFlags } from '../options.js';
import { progressBar } from '../progress.js';

/** `perplexity`: how well a model predicts a text, read in pieces with the state carried. */
export function add(command: Command, program: Command): void {
  addModelAndInput(command)
    .option('--json', 'as JSON')
    .action(async (flags: InputFlags & ModelFlags & { json?: boolean }) => {
      checkInputFlags(flags);
      const loaded = await resolveModel(flags.model, program.opts<{ device?: string }>().device, flags.dtype);
      const rows = await readInput(flags, loaded);
      const bar = progressBar('reading');
      const results = [];
      try {
        for (const { ids } of rows) {
          const {
            tokens,
            loss,
            perplexity: value,
          } = await perplexity(loaded.model, ids, { onProgress: (done, total) => bar.update(done, total) });
          const bytes = loaded.tokenizer ? Buffer.byteLength(loaded.tokenizer.decode(Array.from(ids).slice(1))) : null;
          results.push({
            tokens,
            loss,
            perplexity: value,
            bitsPerToken: loss / Math.LN2,
            bitsPerByte: bytes ? (loss * tokens) / Math.LN2 / bytes : null,
          });
        }
      } finally {
        bar.stop();
      }
      if (flags.json) return void process.stdout.write(`${JSON.stringify({ results })}\n`);
      for (const { tokens, perplexity: value, bitsPerToken, bitsPerByte } of results) {
        const perByte = bitsPerByte === null ? '' : `, ${bitsPerByte.toFixed(4)} bits per byte`;
        process.stdout.write(
          `perplexity ${value.toFixed(4)} over ${tokens.toLocaleString('en')} tokens: ${bitsPerToken.toFixed(4)} bits per token${perByte}\n`,
        );
      }
    });
}
