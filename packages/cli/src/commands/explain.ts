import { extname } from 'node:path';
import { explain, UnknownNameError, getExplainer, type Explanation, type OptionsByMethod } from '@hidden-attention/explain';
import { explanationReport, explanationSvg, type Report } from '@hidden-attention/plot';
import { encodePng, type LoadedModel } from '@hidden-attention/checkpoint';
import type { Command } from 'commander';
import writeFileAtomic from 'write-file-atomic';
import { UsageError } from '../errors.js';
import { checkInputFlags, readInput, readPictures, type InputFlags, type Pictures } from '../input.js';
import { resolveModel } from '../models.js';
import { addModelAndInput, repeated, type ModelFlags } from '../options.js';
import { checkOutput } from '../output.js';
import { parsePosition } from '../ranges.js';
import { version } from '../version.js';

interface Flags extends InputFlags, ModelFlags {
  target?: string;
  position?: string;
  method?: string[];
  option?: string[];
  out: string;
}

/** `explain`: why a model answered as it did, as a page, a picture or JSON. */
export function addExplain(program: Command): void {
  addModelAndInput(program.command('explain'))
    .description('Show which tokens and words made a model answer as it did.')
    .option(
      '--target <T>',
      "what to explain: an id, a label, text:… for one token, or a list with one per row; default: the model's answer",
    )
    .option('--position <P>', 'of a language model: the position whose answer is explained, or last (the default)')
    .addOption(
      repeated(
        '--method <NAME>',
        'raw, rollout, mamba-attribution, gradient-x-input, decomposition; NAME:released for the variant of the released code; all',
      ),
    )
    .addOption(repeated('--option <METHOD.KEY=VALUE>', 'an option of a method'))
    .requiredOption('--out <F>', 'report.html, map.json or map.svg')
    .action(async (flags: Flags) => {
      checkInputFlags(flags);
      const out = checkOutput(flags.out, ['.html', '.json', '.svg']);
      const methods = flags.method ?? ['all'];
      const options = parseOptions(flags.option ?? []);
      for (const method of methods) if (method !== 'all') usage(() => getExplainer(method));
      const position = flags.position === undefined ? undefined : parsePosition('--position', flags.position);
      const loaded = await resolveModel(flags.model, program.opts<{ device?: string }>().device, flags.dtype);
      const pictures = await readPictures(flags, loaded);
      const input = pictures ?? (await readInput(flags, loaded));
      const results = await explained(() =>
        explain({
          model: loaded.model,
          tokenizer: loaded.tokenizer,
          input,
          methods,
          options,
          ...(flags.target === undefined ? {} : { target: flags.target }),
          ...(position === undefined ? {} : { position }),
        }),
      );
      const report = await reportOf(flags.model, loaded, results, pictures);
      const text =
        extname(out) === '.json'
          ? `${JSON.stringify({ ...report, model: flags.model }, null, 2)}\n`
          : extname(out) === '.svg'
            ? explanationSvg(report)
            : explanationReport(report);
      await writeFileAtomic(out, text);
      process.stdout.write(`${results.map(summaryOf).join('')}wrote ${out}\n`);
    });
}

/** `METHOD.KEY=VALUE` → { METHOD: { KEY: VALUE } } */
function parseOptions(texts: readonly string[]): OptionsByMethod {
  const options: Record<string, Record<string, string>> = {};
  for (const text of texts) {
    const [, method, key, value] = /^([^.=]+)\.([^.=]+)=(.*)$/.exec(text) ?? [];
    if (method === undefined) throw new UsageError(`--option "${text}": write METHOD.KEY=VALUE, for example rollout.normalize=rows`);
    (options[method] ??= {})[key!] = value!;
  }
  return options;
}

/** A name that no model makes right is a mistake in the command line. */
function usage<R>(body: () => R): R {
  try {
    return body();
  } catch (error) {
    throw error instanceof UnknownNameError ? new UsageError(error.message) : error;
  }
}
async function explained(body: () => Promise<Explanation[]>): Promise<Explanation[]> {
  try {
    return await body();
  } catch (error) {
    throw error instanceof UnknownNameError ? new UsageError(error.message) : error;
  }
}

async function reportOf(name: string, { model }: LoadedModel, results: Explanation[], pictures: Pictures | undefined): Promise<Report> {
  const { config } = model;
  const shown = await Promise.all(
    results.map(async (result, at) => {
      const picture = pictures?.images[at];
      if (!picture) return result;
      return { ...result, picture: `data:image/png;base64,${Buffer.from(await encodePng(picture.shown)).toString('base64')}` };
    }),
  );
  return {
    version,
    model: {
      name,
      family: config.family,
      layers: config.layers,
      parameters: model.parameterCount,
      task: config.head.kind === 'classifier' ? 'classification' : 'language-modelling',
    },
    results: shown,
  };
}

/** A few lines for the terminal: the answer, and what each method ranks highest. */
function summaryOf({ index, text, target, tokens, grid, maps }: Explanation): string {
  const answer = target.label ?? String(target.id);
  const lines = [`row ${index}: ${answer}, probability ${(100 * target.probability).toFixed(1)} %`];
  for (const { method, variant, scores, words, certificate } of maps) {
    const units =
      words && text !== null
        ? words.map(({ start, end, score }) => ({ text: text.slice(start, end), score }))
        : scores.map((score, i) => ({ text: grid ? placeOf(i, grid) : tokens[i]!.text, score }));
    const top = units.toSorted((a, b) => b.score - a.score).slice(0, 5);
    const { check } = certificate;
    const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
    const effect = check
      ? `; without its top ${check.removed} of ${check.of} ${check.unit === 'patch' ? 'patches' : `${check.unit}s`} ${percent(check.probability.top)}, without random ones ${percent(check.probability.random.reduce((a, b) => a + b, 0) / check.probability.random.length)}`
      : '';
    lines.push(
      `  ${`${method}${variant === 'paper' ? '' : `:${variant}`}`.padEnd(28)}${top.map((unit) => JSON.stringify(unit.text.trim())).join(' ')}${effect}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

/** "row 2, column 5" of a patch. */
const placeOf = (patch: number, [, columns]: readonly [number, number]): string =>
  `row ${Math.floor(patch / columns) + 1}, column ${(patch % columns) + 1}`;
