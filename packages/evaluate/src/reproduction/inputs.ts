import { batchOfImages } from '@hidden-attention/explain';
import type { Batch, Model } from '@hidden-attention/model';
import type { Example } from '../example.js';

/** One example as a batch of one row. */
export const batchOf = (model: Model, { image, ids }: Example): Batch => (image ? batchOfImages(model, [image]) : model.batch([ids!]));
