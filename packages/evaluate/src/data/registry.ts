import { imageFolder, labelledImages } from './images.js';
import { dataKinds, type DataKind } from './kind.js';
import { knownAnswer } from './known-answer.js';
import { labelledText } from './labelled-text.js';
import { plantedText } from './planted.js';

for (const kind of [labelledText, plantedText, labelledImages, imageFolder, knownAnswer] as DataKind[]) dataKinds.add(kind, false);

/** The kind of data set of that name; throws EvaluateError with the nearest names. */
export const getData = (name: string): DataKind => dataKinds.get(name);

/** All kinds of data sets. */
export const listData = (): DataKind[] => dataKinds.list();
