import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { saveModel, writeGguf, type GgufDType, type SaveDType } from '@hidden-attention/checkpoint';
import { Option, type Command } from 'commander';
import { UsageError } from '../errors.js';
import { resolveModel } from '../models.js';

const types = { safetensors: ['f32', 'f16', 'bf16'], gguf: ['f32', 'f16', 'q8_0'] } as const;

/** `convert`: a model of any format that is read, in a format that is written. */
export function add(command: Command, program: Command): void {
  command
    .argument('<IN>', 'a folder or file, zoo:NAME, or org/name of the hub')
    .argument('<OUT>', 'a new folder (safetensors) or a file (gguf)')
    .addOption(new Option('--to <FORMAT>', 'the format').choices(Object.keys(types)).makeOptionMandatory())
    .option('--dtype <T>', 'how weights are stored: f32, f16, bf16 (safetensors), f32, f16, q8_0 (gguf)', 'f32')
    .option('--force', 'write over OUT where it exists')
    .action(async (input: string, output: string, flags: { to: keyof typeof types; dtype: string; force?: boolean }) => {
      const known: readonly string[] = types[flags.to];
      if (!known.includes(flags.dtype)) throw new UsageError(`--dtype is "${flags.dtype}"; ${flags.to} files take ${known.join(', ')}`);
      if (existsSync(output) && !flags.force) throw new Error(`${output} exists; give another name, or --force to write over it`);
      const loaded = await resolveModel(input, program.opts<{ device?: string }>().device);
      const { model, tokenizer } = loaded;
      if (flags.to === 'gguf') await writeGguf(output, model, { dtype: flags.dtype as GgufDType, tokenizer, name: basename(input) });
      else await saveModel(output, model, { dtype: flags.dtype as SaveDType, tokenizer });
      process.stdout.write(`${output}: ${model.family.name}, ${model.parameterCount.toLocaleString('en')} parameters, ${flags.dtype}\n`);
    });
}
