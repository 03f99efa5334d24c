import { readFile } from 'node:fs/promises';
import { train } from '@hidden-attention/train';
import { openDevice } from '@hidden-attention/native';
import type { MultiBar } from 'cli-progress';
import type { Command } from 'commander';
import { UsageError } from '../errors.js';
import { resolveModel } from '../models.js';
import { repeated } from '../repeated.js';
import { duration } from '../progress.js';
import { parseNumber } from '../ranges.js';
import { bars } from '../terminal.js';

interface Flags {
  config: string;
  data: string[];
  out: string;
  model?: string;
  freeze?: string[];
  lora?: string;
  resume?: boolean;
}

/** `train`: trains a model by a JSON recipe; Ctrl-C keeps a checkpoint, a second one ends at once. */
export function add(command: Command, program: Command): void {
  command
    .requiredOption('--config <FILE>', 'the recipe, a JSON file')
    .addOption(repeated('--data <FILE>', 'training data; may be given several times').makeOptionMandatory())
    .requiredOption('--out <DIR>', 'the folder for the model, its checkpoints, log and loss curve')
    .option('--model <M>', 'start from this model (a folder or file, zoo:NAME, or org/name of the hub); the recipe then has no field model')
    .addOption(repeated('--freeze <PATTERN>', 'parameters that stay as they are, such as "*.embeddings.*"; may be given several times'))
    .option('--lora <RANK>', 'train low-rank adapters beside the weights and nothing else; merged when the model is saved')
    .option('--resume', 'go on from the checkpoint in --out')
    .action(async (flags: Flags) => {
      const config = withFlags(await readRecipe(flags.config), flags);
      const { device } = program.opts<{ device?: string }>();
      const from = flags.model === undefined ? undefined : await resolveModel(flags.model, device);
      const interrupt = new AbortController();
      const onInterrupt = (): void => {
        if (interrupt.signal.aborted) process.exit(130);
        interrupt.abort();
        process.stderr.write('\nfinishing this step and writing a checkpoint; Ctrl-C again ends at once\n');
      };
      process.on('SIGINT', onInterrupt);
      const screen = trainingScreen();
      try {
        const result = await train({
          config,
          ...(from ? { from } : {}),
          data: flags.data,
          out: flags.out,
          resume: flags.resume ?? false,
          device: openDevice(device),
          signal: interrupt.signal,
          onProgress: screen.update,
        });
        screen.stop();
        if (result.reason === 'interrupted') {
          process.stderr.write(`interrupted at step ${result.step}; go on with the same command and --resume\n`);
          process.exitCode = 130;
        } else {
          process.stdout.write(`trained ${result.step} steps; the model is in ${flags.out}\n`);
        }
      } finally {
        screen.stop();
        process.off('SIGINT', onInterrupt);
      }
    });
}

/** The recipe with what flags say of it; one of both says so. */
function withFlags(recipe: unknown, { freeze, lora }: Flags): unknown {
  if (freeze === undefined && lora === undefined) return recipe;
  const given = {
    ...(freeze === undefined ? {} : { freeze }),
    ...(lora === undefined ? {} : { lora: { rank: parseNumber('--lora', lora, { integer: true, minimum: 1 }) } }),
  };
  const twice = Object.keys(given).find((field) => Object.hasOwn(Object(recipe) as object, field));
  if (twice !== undefined) throw new UsageError(`--${twice} is given, and the recipe has a field ${twice}; say it once`);
  return { ...(recipe as object), ...given };
}

async function readRecipe(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new Error(`--config ${path}: ${(error as Error).message}`);
  }
}

type Report = Parameters<NonNullable<Parameters<typeof train>[0]['onProgress']>>[0];

/** A bar in a terminal; elsewhere a line every twenty seconds. */
function trainingScreen(): { update(progress: Report): void; stop(): void } {
  const all = process.stderr.isTTY ? multiBar() : undefined;
  let bar: ReturnType<MultiBar['create']> | undefined;
  let lastLine = 0;
  return {
    update({ step, steps, loss, tokensPerSecond, secondsLeft, evaluation }) {
      const shown = { loss: loss.toFixed(4), speed: Math.round(tokensPerSecond), left: duration(secondsLeft) };
      if (all) {
        bar ??= all.create(steps, step, shown);
        bar.update(step, shown);
        if (evaluation) all.log(`step ${step}: ${JSON.stringify(evaluation)}\n`);
      } else if (evaluation || Date.now() - lastLine > 20_000) {
        lastLine = Date.now();
        const held = evaluation ? ` evaluation ${JSON.stringify(evaluation)}` : '';
        process.stderr.write(`step ${step}/${steps} loss ${shown.loss} ${shown.speed} tokens/s ${shown.left} left${held}\n`);
      }
    },
    stop() {
      all?.stop();
    },
  };
}

function multiBar(): MultiBar {
  const { MultiBar: Bars, Presets } = bars();
  const format = '{bar} {value}/{total} loss {loss} {speed} tokens/s {left} left';
  return new Bars({ stream: process.stderr, format, hideCursor: true }, Presets.shades_classic);
}
