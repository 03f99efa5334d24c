import { layerKindsOf, type Dynamics, type Model, type ScanDynamics, type TwoWay } from '@hidden-attention/model';
import type { Relevance } from '../explainer.js';
import type { Question } from '../question.js';
import { layersFrom } from './layers.js';

/** `supports` of methods that look at what enters the state of a scan: a layer of softmax attention is left out, and counts as 0. */
export function someScans(model: Model): true | string {
  return (
    layerKindsOf(model).some((kind) => kind !== 'softmax') ||
    'it looks at what enters the state of a scan; this model has softmax attention only'
  );
}

/** The scans of a layer: one, or one in each direction, the positions in its own order. */
function scansOf(dynamics: Dynamics): { scan: ScanDynamics; backward: boolean }[] {
  if ('logSumExp' in dynamics) return [];
  if (!('backward' in dynamics)) return [{ scan: dynamics, backward: false }];
  const { forward, backward } = dynamics satisfies TwoWay<ScanDynamics>;
  return [
    { scan: forward, backward: false },
    { scan: backward, backward: true },
  ];
}

/**
 * A map of what each scan makes of each position: the mean over its layers' scans, and by layer.
 * @param ofScan one number a position, in the order of the scan; `start` likewise
 */
export async function meanOfScans(
  question: Question,
  startLayer: number,
  ofScan: (scan: ScanDynamics, start: Float64Array) => Promise<Float64Array>,
): Promise<Relevance> {
  const view = await question.attention();
  const empty = (): Float64Array => new Float64Array(question.length);
  const layers = Array.from({ length: view.layers }, empty);
  const scores = empty();
  let count = 0;
  for (const index of layersFrom(question, startLayer)) {
    const scans = scansOf(view.layer(index).dynamics);
    for (const { scan, backward } of scans) {
      const own = await ofScan(scan, backward ? question.start.toReversed() : question.start);
      const inOrder = backward ? own.toReversed() : own;
      layers[index] = layers[index]!.map((value, at) => value + inOrder[at]! / scans.length);
    }
    if (scans.length === 0) continue;
    count++;
    for (const [at, value] of layers[index]!.entries()) scores[at]! += value;
  }
  return { scores: scores.map((value) => value / Math.max(1, count)), layers };
}
