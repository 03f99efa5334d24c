import type { LoadedModel } from '@hidden-attention/checkpoint';
import { gridOf, parseTarget, type Input } from '@hidden-attention/explain';
import { readInput, readPictures, type InputFlags } from './input.js';

/** One row of a command's input: what interventions and lenses run on, and how it is shown. */
export interface Case {
  input: Input;
  /** one label a position: tokens, or patches and class tokens */
  labels: string[];
  length: number;
  text: string | null;
  offsets: readonly (readonly [start: number, end: number])[];
}

/** The rows that the input flags name: texts, or images. */
export async function readCases(flags: InputFlags, loaded: LoadedModel): Promise<Case[]> {
  const { model, tokenizer } = loaded;
  const pictures = await readPictures(flags, loaded);
  if (pictures) {
    return pictures.images.map((image) => {
      const [, columns] = gridOf(model, image);
      const { lengths, classPositions } = model.images(image.pixels, [1, ...image.shape]);
      const special = new Set(classPositions);
      let patch = 0;
      const labels = Array.from({ length: lengths[0]! }, (_, at) =>
        special.has(at) ? 'class' : `${Math.floor(patch / columns) + 1}:${(patch++ % columns) + 1}`,
      );
      return { input: image, labels, length: labels.length, text: null, offsets: [] };
    });
  }
  return (await readInput(flags, loaded)).map(({ ids, text, offsets }) => ({
    input: ids,
    labels: ids.map((id) => tokenizer?.tokenText(id) ?? String(id)),
    length: ids.length,
    text,
    offsets,
  }));
}

/** The target of each row, where --target names one. */
export function targetsOf(target: string | undefined, { model, tokenizer }: LoadedModel, rows: number): (number | undefined)[] {
  const given = target === undefined ? [undefined] : parseTarget(target, model, tokenizer);
  if (given.length !== 1 && given.length !== rows)
    throw new Error(`--target names ${given.length} answers for ${rows} rows; give one, or one a row`);
  return Array.from({ length: rows }, (_, row) => given[row % given.length]);
}

/** An answer in words. */
export function nameOf(id: number, { model, tokenizer }: LoadedModel): string {
  const { head } = model.config;
  return head.kind === 'classifier' ? head.labels[id]! : JSON.stringify(tokenizer?.tokenText(id) ?? String(id));
}

/** 97.9 % */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
