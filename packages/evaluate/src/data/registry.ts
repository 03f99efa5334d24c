import { Named } from '../named.js';
import { imageFolder, labelledImages } from './images.js';
import type { DataKind } from './kind.js';
import { knownAnswer } from './known-answer.js';
import { labelledText } from './labelled-text.js';
import { plantedText } from './planted.js';

const dataKinds = new Named<DataKind>('kind of data', [labelledText, plantedText, labelledImages, imageFolder, knownAnswer] as DataKind[]);

/**
 * Makes a kind of data set known to sweeps by its name.
 * @throws EvaluateError when the name is taken, unless `overwrite`, or not in lower case with hyphens
 */
export function registerData<Options extends object>(kind: DataKind<Options>, options: { overwrite?: boolean } = {}): void {
  dataKinds.add(kind as unknown as DataKind, options.overwrite);
}

/** The kind of data set of that name; throws EvaluateError with the nearest names. */
export const getData = (name: string): DataKind => dataKinds.get(name);

/** All kinds of data sets. */
export const listData = (): DataKind[] => dataKinds.list();
