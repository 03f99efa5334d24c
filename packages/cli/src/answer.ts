import type { LoadedModel } from '@hidden-attention/checkpoint';
import type { Command } from 'commander';
import { readCases, targetsOf, type Case } from './cases.js';
import { UsageError } from './errors.js';
import { checkInputFlags, type InputFlags } from './input.js';
import { resolveModel } from './models.js';
import { addModelAndInput, type ModelFlags } from './options.js';
import { checkOutput } from './output.js';
import { resultEndings } from './results.js';

/** The flags of commands that change a model's run, or look into it, and watch its answer. */
export interface AnswerFlags extends InputFlags, ModelFlags {
  target?: string;
  json?: boolean;
  out?: string;
}

/** Adds --model, the INPUT flags, those that `own` adds, --target, --json and --out. */
export function addAnswerFlags(command: Command, own: (command: Command) => Command): Command {
  return own(addModelAndInput(command))
    .option('--target <T>', "the answer that is watched: an id, a label, or text:… for one token; default: the model's answer")
    .option('--json', 'print the results as JSON')
    .option('--out <F>', 'write them: a .json, .svg, .png or .safetensors file');
}

/**
 * Refuses what does not fit together, before any work.
 * @param textOnly what is done that only a text allows, where that is so
 */
export function checkAnswerFlags(flags: AnswerFlags, textOnly?: string): void {
  checkInputFlags(flags);
  const images = (['image', 'pixels'] as const).find((name) => flags[name] !== undefined);
  if (textOnly !== undefined && images !== undefined)
    throw new UsageError(`--${images} given, but ${textOnly}; give a model of text, and --text T, --file F or --ids F`);
  if (flags.out !== undefined) checkOutput(flags.out, [...resultEndings]);
}

/** The model, what it is asked about, and the answer that is watched in each row: undefined for the model's own. */
export async function readQuestions(
  flags: AnswerFlags,
  program: Command,
): Promise<{ loaded: LoadedModel; cases: Case[]; targets: (number | undefined)[] }> {
  const loaded = await resolveModel(flags.model, program.opts<{ device?: string }>().device, flags.dtype);
  const cases = await readCases(flags, loaded);
  return { loaded, cases, targets: targetsOf(flags.target, loaded, cases.length) };
}
