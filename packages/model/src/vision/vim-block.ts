import {
  add,
  affine,
  gate,
  linear,
  negExp,
  reshape,
  reverse,
  rmsNorm,
  selectiveScan,
  softplus,
  split,
  type Float,
  type Tensor,
} from '@hidden-attention/tensor';
import type { BlockContext } from '../backbone.js';
import { convolutionAndSilu } from '../convolution.js';
import { projections } from '../projections.js';
import type { LayerResult } from '../recompute.js';
import type { LayerState } from '../state.js';
import type { VimConfig } from './config.js';

/** The two scans of a block: names of their sites, and of their parameters where these differ. */
export const directions = ['forward', 'backward'] as const;
export type Direction = (typeof directions)[number];

/** A name of a Mamba-1 mixer's parameter as the direction has it: the backward one's are twins with a `_b`. */
export function nameIn(direction: Direction, name: string): string {
  if (direction === 'forward') return name;
  return name === 'mixer.A_log' ? 'mixer.A_b_log' : name.replace(/^mixer\.(\w+)/, 'mixer.$1_b');
}

/**
 * One Vision Mamba block (Zhu et al. 2024, "v2"; math.md section 4): both scans share in_proj, out_proj and the gate; the backward
 * one runs over the positions from last to first with its own parameters. Its sites are in the order of the tokens.
 */
export function vimBlock(h: Tensor, context: BlockContext<VimConfig, LayerState>): LayerResult {
  const { model, layer, sites, parameter, optional, spelledOut } = context;
  const { innerSize: d, epsilon, halved } = model.config;
  const site = <T extends Tensor>(name: string, value: T): T => sites.pass(`layers.${layer}.${name}`, value);
  const input = site('input', h);
  const normed = site('norm', rmsNorm({ x: input, weight: parameter('norm.weight') }, { epsilon }).y);
  const halves = projections(normed, parameter('mixer.in_proj.weight'), [d, d], optional('mixer.in_proj.bias'), spelledOut);
  const [xHalf, zHalf] = halves as [Tensor, Tensor];
  const x = site('x', xHalf); //                                                                    (b l d)
  const z = site('z', zHalf); //                                                                    (b l d)
  const both = add(scanIn('forward', x, context), reverse(scanIn('backward', reverse(x, 1), context), 1));
  const gated = site('gated', gate({ x: halved ? affine(both, 0.5) : both, z }));
  const mixer = site('mixer', linear(gated, parameter('mixer.out_proj.weight'), optional('mixer.out_proj.bias')));
  return { output: site('output', add(input, mixer)), state: {} };
}

/** The scan in one direction, x and y in that direction's order: convolution, SiLU, Δ, B, C, scan with D. */
function scanIn(
  direction: Direction,
  x: Tensor,
  { model, layer, sites, parameter, optional, spelledOut }: BlockContext<VimConfig, LayerState>,
): Tensor<Float> {
  const { stateSize: n, timeStepRank: r, convKernel: k, innerSize: d } = model.config;
  const own = (name: string): Tensor => parameter(nameIn(direction, `mixer.${name}`));
  const fullName = (name: string): string => `layers.${layer}.${direction}.${name}`;
  const site = <T extends Tensor>(name: string, value: T): T => {
    if (sites.quiet(fullName(name))) return value;
    const turned = (tensor: Tensor): Tensor => (direction === 'backward' ? reverse(tensor, 1) : tensor);
    return turned(sites.pass(fullName(name), turned(value))) as T;
  };
  const taps = reshape(own('conv1d.weight'), [d, k]);
  const window = { x, weight: taps, bias: optional(nameIn(direction, 'mixer.conv1d.bias')) };
  const fused = !spelledOut && sites.quiet(fullName('conv'));
  const u = site('u', convolutionAndSilu(window, { fused }, (c) => site('conv', c)).y); //              x′ (b l d)
  const [low, BFlat, CFlat] = split(linear(u, own('x_proj.weight')), [r, n, n]) as [Tensor, Tensor, Tensor]; // Δr, B, C
  const grouped = (tensor: Tensor): Tensor => reshape(tensor, [...tensor.shape.slice(0, 2), 1, n]); // (b l n) → (b l 1 n)
  const operands = { u, A: negExp(own('A_log')), B: grouped(site('B', BFlat)), C: grouped(site('C', CFlat)), D: own('D') };
  if (!spelledOut && sites.quiet(fullName('delta'))) {
    const delta = linear(low, own('dt_proj.weight'));
    return site('scan', selectiveScan({ ...operands, delta, deltaBias: own('dt_proj.bias') }, { softplus: true }).y);
  }
  const delta = site('delta', softplus(linear(low, own('dt_proj.weight'), own('dt_proj.bias')))); // (b l d)
  return site('scan', selectiveScan({ ...operands, delta }).y);
}
