import { writeSafetensors } from '@hidden-attention/checkpoint';
import type { Command } from 'commander';
import { checkInputFlags, readBatch, type InputFlags } from '../input.js';
import { resolveModel } from '../models.js';
import { addModelAndInput, type ModelFlags } from '../options.js';
import { checkOutput } from '../output.js';

interface Flags extends InputFlags, ModelFlags {
  sites: string;
  out: string;
}

/** `capture`: the values of named sites, as safetensors. */
export function add(command: Command, program: Command): void {
  addModelAndInput(command)
    .requiredOption('--sites <LIST>', "sites or patterns with *, separated by commas: 'layers.*.delta,logits'")
    .requiredOption('--out <F>', 'a .safetensors file')
    .action(async (flags: Flags) => {
      checkInputFlags(flags);
      const out = checkOutput(flags.out, ['.safetensors']);
      const loaded = await resolveModel(flags.model, program.opts<{ device?: string }>().device, flags.dtype);
      const { captured } = loaded.model.forward(await readBatch(flags, loaded), {
        capture: flags.sites.split(',').map((name) => name.trim()),
      });
      const tensors = await Promise.all(
        Object.entries(captured).map(async ([name, tensor]) => ({
          name,
          dtype: 'F32' as const,
          shape: tensor.shape,
          data: (await tensor.read()) as Float32Array,
        })),
      );
      await writeSafetensors(out, tensors);
      process.stdout.write(`${tensors.map(({ name, shape }) => `${name} [${shape.join(', ')}]`).join('\n')}\n`);
    });
}
