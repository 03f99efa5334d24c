import { encodeRgba } from '../src/png.js';
import type { Report, ReportMap, ReportResult } from '../src/index.js';
import { makeCheck } from './fixture.js';

/** A picture of 6 × 4 pixels, no two of which are alike, as a data URL. */
export const PICTURE: string = asDataUrl(
  encodeRgba(
    Uint8Array.from({ length: 4 * 24 }, (_, at) => (at % 4 === 3 ? 255 : (at * 37) % 256)),
    6,
    4,
  ),
);

export function asDataUrl(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
}

/** 2 × 3 patches of 2 × 2 pixels. */
export const GRID: readonly [number, number] = [2, 3];
export const SCORES: readonly number[] = [0, 1, -2, 0.5, 0, 4];

export function imageMap(options: Partial<ReportMap> = {}): ReportMap {
  return {
    method: 'raw',
    variant: 'paper',
    title: 'Raw hidden attention',
    summary: 'How strongly it looks.',
    cite: 'somewhere',
    options: {},
    scores: [...SCORES],
    biases: null,
    signed: true,
    layers: [[...SCORES], SCORES.map((score) => -score), [0, 0, 0, 0, 0, 0]],
    certificate: {
      audit: { worst: 1e-7, layers: [1e-7, 1e-7, 1e-7] },
      check: { ...makeCheck(0.9, 0.1, 0.9, [0.8, 0.7], 'patch'), removed: 2, of: 6 },
    },
    ...options,
  };
}

export function imageResult(index = 0, picture: string = PICTURE): ReportResult {
  const unsigned = { scores: SCORES.map(Math.abs), signed: false, title: 'Mamba-Attribution', variant: 'released' };
  const { layers: _layers, ...plain } = imageMap({ ...unsigned });
  return {
    index,
    text: null,
    tokens: [],
    grid: GRID,
    picture,
    target: { id: 1, label: 'ankle <boot>', logit: 3, probability: 0.9 },
    alternatives: [{ id: 2, label: 'sneaker', probability: 0.06 }],
    position: 3,
    maps: [
      imageMap({
        title: 'Exact decomposition',
        biases: 0.2,
        certificate: { ...imageMap().certificate, completeness: { scores: 2.8, biases: 0.2, logit: 3, gap: 1e-7 } },
      }),
      plain,
    ],
  };
}

export function imageReport(results: ReportResult[] = [imageResult()]): Report {
  return {
    version: '0.1.0',
    model: { name: 'zoo:fashion-vim', family: 'vim', layers: 3, parameters: 252_000, task: 'classification' },
    results,
  };
}
