import { negExp, reshape, scope, silu, Tensor } from '@hidden-attention/tensor';
import { layerParameter } from '../backbone.js';
import type { BlockParts, ScanDynamics } from '../family.js';
import type { Model } from '../model.js';
import type { ScanState } from '../state.js';
import type { MambaSizes } from './config.js';

/** Sites inside a Mamba-1 mixer, in order; those that its dynamics are read from, and those of its parts. */
export const mambaSites: readonly string[] = ['norm', 'x', 'z', 'conv', 'u', 'delta', 'B', 'C', 'scan', 'gated', 'mixer'];
export const scanSites: readonly string[] = ['delta', 'B', 'C'];
export const mixerSites: readonly string[] = ['delta', 'B', 'C', 'x', 'conv', 'u', 'z', 'gated'];

/** A parameter of a layer, by its name within the layer; undefined where there is none. */
export type FindParameter = (name: string) => Tensor | undefined;

/** Those of a layer of a Mamba. */
export const ofLayer =
  (model: Model, layer: number): FindParameter =>
  (name) =>
    layerParameter(model, layer, name);

/** The state of a Mamba-1 mixer before the first position. */
export function mambaState({ config, device }: Model<MambaSizes>, rows: number): ScanState {
  const { innerSize: d, stateSize: n, convKernel: k } = config;
  return { scan: Tensor.full([rows, d, n], 0, device), conv: Tensor.full([rows, d, k - 1], 0, device) };
}

/** Δ, A, B and C of a Mamba-1 mixer, out of its captured sites. */
export function mambaDynamics(parameter: FindParameter, captured: Record<string, Tensor>, layer: number): ScanDynamics {
  const site = (name: string): Tensor => captured[`layers.${layer}.${name}`]!;
  const grouped = (tensor: Tensor): Tensor => reshape(tensor, [...tensor.shape.slice(0, 2), 1, tensor.shape[2]!]);
  return { delta: site('delta').view(), A: negExp(parameter('mixer.A_log')!), B: grouped(site('B')), C: grouped(site('C')) };
}

/** What stands around its scan. */
export function mambaParts(parameter: FindParameter, captured: Record<string, Tensor>, layer: number): BlockParts {
  const site = (name: string): Tensor => captured[`layers.${layer}.${name}`]!.view();
  const taps = parameter('mixer.conv1d.weight')!;
  return {
    ...mambaDynamics(parameter, captured, layer),
    D: parameter('mixer.D')!.view(),
    x: site('x'),
    conv: site('conv'),
    u: site('u'),
    gate: scope(() => silu(site('z'))),
    gated: site('gated'),
    convWeight: taps.view([taps.shape[0]!, taps.shape.at(-1)!]),
    convBias: parameter('mixer.conv1d.bias')?.view(),
    outWeight: parameter('mixer.out_proj.weight')?.view(),
  };
}
