import type { Sample } from './data.js';

/** The same rows with a share of their ids replaced by random ones below `vocabSize`; labels stay. */
export function dropInputs(sample: Sample, share: number, vocabSize: number, random: () => number): Sample {
  if (share === 0 || !sample.rows) return sample;
  return {
    ...sample,
    rows: sample.rows.map((row) => Int32Array.from(row, (id) => (random() < share ? Math.floor(random() * vocabSize) : id))),
  };
}
