import { extname } from 'node:path';
import {
  explain,
  fullName,
  getExplainer,
  listExplainers,
  parseSpan,
  UnknownNameError,
  type Explanation,
  type ExplainRequest,
  type OptionsByMethod,
} from '@hidden-attention/explain';
import { explanationReport, explanationSvg, type Report } from '@hidden-attention/plot';
import { writeFileAtomic, type LoadedModel } from '@hidden-attention/checkpoint';
import type { Command } from 'commander';
import { UsageError } from '../errors.js';
import { dataUrl, writeMaps, writePicture } from '../figures.js';
import { checkInputFlags, readInput, readPictures, type InputFlags, type Pictures } from '../input.js';
import { resolveModel } from '../models.js';
import { addModelAndInput, type ModelFlags } from '../options.js';
import { checkOutput } from '../output.js';
import { progressBar } from '../progress.js';
import { parsePosition } from '../ranges.js';
import { repeated } from '../repeated.js';
import { version } from '../version.js';

interface Flags extends InputFlags, ModelFlags {
  target?: string;
  contrast?: string;
  span?: string;
  absolute?: boolean;
  position?: string;
  method?: string[];
  option?: string[];
  beside?: string[];
  out: string;
}

/** `explain`: why a model answered as it did, as a page, a picture or JSON. */
export function add(command: Command, program: Command): void {
  addModelAndInput(command)
    .option(
      '--target <T>',
      "what to explain: an id, a label, text:… for one token, or a list with one per row; default: the model's answer",
    )
    .option('--contrast <T>', 'another answer, named as by --target: explains why the target rather than this one')
    .option(
      '--span <A:B>',
      "of a language model, in place of a target: the text's own tokens A to B − 1, each expected from what stands before it",
    )
    .option('--absolute', 'drop the signs of all scores')
    .option('--position <P>', 'of a language model: the position whose answer is explained, or last (the default)')
    .addOption(
      repeated(
        '--method <NAME>',
        `${[...new Set(listExplainers().map(({ name }) => name))].join(', ')}; NAME:released for the variant of the released code; all`,
      ),
    )
    .addOption(repeated('--option <METHOD.KEY=VALUE>', 'an option of a method'))
    .addOption(repeated('--beside <M>', 'another model, to be explained on the same input beside the first'))
    .requiredOption('--out <F>', 'report.html, map.json, map.svg, map.png or map.safetensors')
    .action(async (flags: Flags) => {
      checkInputFlags(flags);
      const out = checkOutput(flags.out, ['.html', '.json', '.svg', '.png', '.safetensors']);
      const methods = flags.method ?? ['all'];
      const options = parseOptions(flags.option ?? []);
      for (const method of methods) if (method !== 'all') usage(() => getExplainer(method));
      const span = flags.span === undefined ? undefined : usage(() => parseSpan(flags.span!), Error);
      const position = flags.position === undefined ? undefined : parsePosition('--position', flags.position);
      const request: Omit<ExplainRequest, 'model' | 'input'> = {
        methods,
        options,
        ...(flags.target === undefined ? {} : { target: flags.target }),
        ...(flags.contrast === undefined ? {} : { contrast: flags.contrast }),
        ...(span ? { span } : {}),
        ...(position === undefined ? {} : { position }),
        absolute: flags.absolute ?? false,
      };
      const sides: { report: Report; results: Explanation[] }[] = [];
      for (const name of [flags.model, ...(flags.beside ?? [])]) {
        const loaded = await resolveModel(name, program.opts<{ device?: string }>().device, flags.dtype);
        sides.push(await explainBy(name, loaded, flags, request));
      }
      const [{ report, results }, ...others] = sides as [(typeof sides)[number], ...typeof sides];
      const beside = others.map((side) => side.report);
      const stored = (one: Report): object => ({ ...one, model: one.model.name });
      const all = { ...stored(report), ...(beside.length > 0 ? { beside: beside.map(stored) } : {}) };
      const ending = extname(out).toLowerCase();
      if (ending === '.json') await writeFileAtomic(out, `${JSON.stringify(all, null, 2)}\n`);
      else if (ending === '.html') await writeFileAtomic(out, explanationReport(report, beside));
      else if (ending === '.safetensors')
        await writeMaps(
          out,
          sides.map((side) => side.results),
        );
      else await writePicture(out, explanationSvg(report, beside));
      for (const { report: one, results: own } of sides)
        process.stdout.write(`${beside.length > 0 ? `${one.model.name}\n` : ''}${own.map(summaryOf).join('')}`);
      process.stdout.write(`wrote ${out}\n`);
      if (!methods.includes('all')) refuse(results);
    });
}

/** One model's answers to the input of the flags, and why. */
async function explainBy(
  name: string,
  loaded: LoadedModel,
  flags: InputFlags,
  request: Omit<ExplainRequest, 'model' | 'input'>,
): Promise<{ report: Report; results: Explanation[] }> {
  const { model, tokenizer } = loaded;
  const pictures = await readPictures(flags, loaded);
  const input = pictures ?? (await readInput(flags, loaded));
  const progress = progressBar('explain');
  const onProgress = (done: number, total: number, method: string): void => progress.update(done, total, method);
  const results = await explained(() => explain({ ...request, model, tokenizer, input, onProgress })).finally(() => progress.stop());
  return { report: await reportOf(name, loaded, results, pictures), results };
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

/** Methods that were asked for by name and gave no map: said on standard error, and in the exit status. */
function refuse(results: readonly Explanation[]): void {
  const lines = new Set(results.flatMap(({ skipped = [] }) => skipped.map(({ method, reason }) => `${method} was refused: ${reason}\n`)));
  if (lines.size === 0) return;
  process.stderr.write([...lines].join(''));
  process.exitCode = 1;
}

/** A name that no model makes right is a mistake in the command line. */
function usage<R>(body: () => R, kind: new (message: string) => Error = UnknownNameError): R {
  try {
    return body();
  } catch (error) {
    throw error instanceof kind ? new UsageError((error as Error).message) : error;
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
      return picture ? { ...result, picture: await dataUrl(picture.shown) } : result;
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

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** A few lines for the terminal: what is explained, and what each method ranks highest, with its certificate. */
function summaryOf({ index, text, target, tokens, grid, maps, skipped = [] }: Explanation): string {
  // a token may be white space
  const nameOf = ({ id, label }: { id: number; label: string | null }): string =>
    label === null ? String(id) : /^\S(.*\S)?$/.test(label) ? label : JSON.stringify(label);
  const what = {
    logit: nameOf(target),
    contrast: `${nameOf(target)} rather than ${target.against ? nameOf(target.against) : ''}, logits ${target.score.toFixed(3)} apart`,
    span: `the text's own ${JSON.stringify(target.label)}`,
    function: `a function of the logits, ${target.score.toFixed(3)}; the answer is ${nameOf(target)}`,
  }[target.kind];
  const asRun = target.asRun ? ` (${percent(target.asRun.probability)} as it runs, activations rounded)` : '';
  const lines = [`row ${index}: ${what}, probability ${percent(target.probability)}${asRun}`];
  for (const map of maps) {
    const { method: name, variant, scores, words } = map;
    const units =
      words && text !== null
        ? words.map(({ start, end, score }) => ({ text: text.slice(start, end), score }))
        : scores.map((score, i) => ({ text: grid ? placeOf(i, grid) : tokens[i]!.text, score }));
    const top = units.toSorted((a, b) => b.score - a.score).slice(0, 5);
    lines.push(
      `  ${fullName({ name, variant }).padEnd(28)}${top.map((unit) => JSON.stringify(unit.text.trim())).join(' ')}`,
      `  ${''.padEnd(28)}${certificateOf(map)}`,
    );
  }
  for (const { method, reason } of skipped) lines.push(`  ${method.padEnd(28)}no map: ${reason}`);
  return `${lines.join('\n')}\n`;
}

/** What can be said for a map, on one line. */
function certificateOf({ certificate }: Explanation['maps'][number]): string {
  const { audit, completeness, convergence, check, correlation } = certificate;
  const units = (unit: 'word' | 'token' | 'patch'): string => (unit === 'patch' ? 'patches' : `${unit}s`);
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  return [
    `audit ${audit.worst.toExponential(0)}`,
    ...(completeness ? [`adds up within ${completeness.gap.toExponential(0)}`] : []),
    ...(convergence ? [`from the baseline within ${convergence.gap.toExponential(0)}`] : []),
    ...(correlation
      ? [`rank correlation with removing ${correlation.groups} ${units(correlation.unit)} ${correlation.rank?.toFixed(2) ?? 'undefined'}`]
      : []),
    ...(check
      ? [
          `without its top ${check.removed} of ${check.of} ${units(check.unit)} ${percent(check.probability.top)}, without random ones ${percent(mean(check.probability.random))}`,
        ]
      : []),
  ].join('; ');
}

/** "row 2, column 5" of a patch. */
const placeOf = (patch: number, [, columns]: readonly [number, number]): string =>
  `row ${Math.floor(patch / columns) + 1}, column ${(patch % columns) + 1}`;
