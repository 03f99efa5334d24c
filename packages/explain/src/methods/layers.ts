import type { AttentionLayer } from '@hidden-attention/attention';
import { layerKindsOf, type Model } from '@hidden-attention/model';
import { sumLast, type Tensor, type Float } from '@hidden-attention/tensor';
import { ExplainError } from '../errors.js';
import type { Relevance } from '../explainer.js';
import type { Question } from '../question.js';
import type { GradientAt, Row } from './paper-options.js';

/** The numbers of the layers that count; throws ExplainError when there are none. */
export function layersFrom({ model }: Question, startLayer: number): number[] {
  const { layers } = model.config;
  if (startLayer >= layers) throw new ExplainError(`startLayer is ${startLayer}; the model has layers 0 to ${layers - 1}`);
  return Array.from({ length: layers - startLayer }, (_, i) => startLayer + i);
}

/** `supports` of methods that read the inside of Mamba's scan. */
export function onlyScans(model: Model): true | string {
  return (
    layerKindsOf(model).every((kind) => kind !== 'softmax') ||
    "the released code's variant is that of Mamba's scan; this model has softmax attention"
  );
}

/** Whether every layer is softmax attention, whose entries are never negative. */
export const onlySoftmax = (model: Model): boolean => layerKindsOf(model).every((kind) => kind === 'softmax');

/** A layer's attention, with its rows as asked for. */
export async function layerOf(question: Question, index: number, row: Row): Promise<AttentionLayer> {
  return (await question.attention()).layer(index).of(row === 'literal' ? 'literal' : 'scan');
}

/** The gradient of the residual stream after block `layer`, or before it: (1 l m). */
export async function streamGradient(question: Question, layer: number, at: GradientAt): Promise<Tensor<Float>> {
  return (await question.gradient()).stream[at === 'output' ? layer + 1 : layer]!;
}

/** The mean of that gradient over the hidden size, by layer: (l) each; undefined before the first layer that counts. */
export async function meanGradients(question: Question, startLayer: number, at: GradientAt): Promise<(Float32Array | undefined)[]> {
  const mean = async (layer: number): Promise<Float32Array> => {
    const gradient = await streamGradient(question, layer, at);
    const tensor = sumLast(gradient, 'sum', 1 / gradient.shape.at(-1)!);
    const result = tensor.read();
    tensor.dispose();
    return result;
  };
  const found = await Promise.all(layersFrom(question, startLayer).map(mean));
  return [...Array.from({ length: startLayer }, () => undefined), ...found];
}

/** The mean of layers' maps; layers before the first count as 0. */
export function meanOfLayers(maps: readonly Float64Array[], startLayer: number, length: number): Relevance {
  const scores = new Float64Array(length).map((_, at) => maps.reduce((sum, map) => sum + map[at]!, 0) / maps.length);
  return { scores, layers: [...Array.from({ length: startLayer }, () => new Float64Array(length)), ...maps] };
}
