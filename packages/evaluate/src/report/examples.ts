import { probabilities } from '@hidden-attention/explain';
import type { EvaluationExample, EvaluationTable } from '@hidden-attention/plot';
import type { Example } from '../example.js';
import { ModelCase } from '../model-case.js';
import { oracle } from '../ranker.js';
import { Variants } from '../variants.js';
import type { Plan, Task } from '../sweep/plan.js';

/** Inputs of each data set and model with all methods' maps, the known answer first where there is one: the first, and one where a method that ranks fares worst. */
export async function examplesOf(plan: Plan, tables: readonly EvaluationTable[]): Promise<EvaluationExample[]> {
  const shown: EvaluationExample[] = [];
  const groups = new Map(tables.map((own) => [JSON.stringify([own.data, own.model]), own]));
  for (const { data, model, title, rows } of groups.values()) {
    const task = await plan.task(data, model);
    const worst = rows.find(({ place }) => place === 1);
    const chosen: [number, string][] = [[task.data.examples[0]!.index, 'the first']];
    if (worst?.worst && worst.worst.example !== chosen[0]![0])
      chosen.push([worst.worst.example, `where ${worst.method} fares worst in “${title}”`]);
    for (const [index, why] of chosen) {
      const example = task.data.examples.find((own) => own.index === index);
      if (example) shown.push(await exampleOf(task, example, why));
    }
  }
  return shown;
}

async function exampleOf({ data, model: { name }, loaded, rankers }: Task, example: Example, why: string): Promise<EvaluationExample> {
  const { model, tokenizer } = loaded;
  const variants = new Variants(model);
  const maps: EvaluationExample['maps'][number][] = [];
  let answer = '';
  let grid: EvaluationExample['grid'];
  const truth = example.mask || example.rationale?.length ? [oracle] : [];
  for (const ranker of [...truth, ...rankers.filter(({ explainer }) => explainer)]) {
    const item = new ModelCase({ data: data.name, model, variants, others: [] }, example, ranker, 1);
    grid = item.grid;
    const predicted = await item.target('predicted');
    const label = (id: number): string =>
      model.config.head.kind === 'classifier' ? model.config.head.labels[id]! : JSON.stringify(tokenizer?.tokenText(id) ?? id);
    const share = probabilities(await item.logits())[predicted]!;
    answer = `answer ${label(predicted)}, probability ${(100 * share).toFixed(1)} %${example.label === undefined ? '' : `; right: ${label(example.label)}`}`;
    try {
      maps.push({ method: ranker.name, signed: ranker.signed, scores: [...(await item.unitScores())] });
    } catch {
      // its rows say why
    }
  }
  const { text, spans, image } = example;
  return {
    data: data.name,
    model: name,
    example: example.index,
    why,
    answer,
    ...(image ? { picture: await pictureOf(image), ...(grid ? { grid } : {}) } : { text: text ?? '', spans: spans ?? [] }),
    maps,
  };
}

/** An image as a model reads it, as a picture: a data URL. */
export async function pictureOf({ pixels, shape: [, height, width], black }: NonNullable<Example['image']>): Promise<string> {
  // black is −mean/deviation of each channel, and white 1/deviation above it: numbers that stand for 0…1 of the darkest to the brightest
  const dark = (channel: number): number => black?.[channel] ?? -1;
  let brightest = -Infinity;
  for (const value of pixels) brightest = Math.max(brightest, value);
  const size = height * width;
  const scaled = Float32Array.from(
    pixels,
    (value, i) => (value - dark(Math.floor(i / size))) / (brightest - dark(Math.floor(i / size)) || 1),
  );
  const { denormalize, encodePng, parseImageProcessing } = await import('@hidden-attention/checkpoint');
  const processing = parseImageProcessing({ size: { height, width }, image_mean: [0, 0, 0], image_std: [1, 1, 1] });
  return `data:image/png;base64,${Buffer.from(await encodePng(denormalize(scaled, processing, { width, height }))).toString('base64')}`;
}
