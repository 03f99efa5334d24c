import { affine, divide, exp, log, multiply, negExp, reshape, scope, silu, slice, square, sumLast, Tensor } from '@hidden-attention/tensor';
import type { BlockParts, ScanDynamics } from '../family.js';
import type { FindParameter } from '../mamba/dynamics.js';
import type { Model } from '../model.js';
import type { ScanState } from '../state.js';
import type { Mamba2Sizes } from './config.js';
import { perChannel, perState } from './heads.js';

/** Sites inside a Mamba-2 mixer, in order; those that its dynamics are read from, and those of its parts. */
export const mamba2Sites: readonly string[] = ['norm', 'x', 'z', 'conv', 'u', 'delta', 'B', 'C', 'scan', 'gated', 'mixer'];
export const mamba2ScanSites: readonly string[] = ['delta', 'B', 'C'];
export const mamba2MixerSites: readonly string[] = ['delta', 'B', 'C', 'x', 'conv', 'u', 'z', 'scan', 'gated'];

/** The state of a Mamba-2 mixer before the first position. */
export function mamba2State({ config, device }: Model<Mamba2Sizes>, rows: number): ScanState {
  const { innerSize: d, groups, stateSize: n, convKernel: k } = config;
  const zeros = (shape: number[]): Tensor => Tensor.full(shape, 0, device);
  return { scan: zeros([rows, d, n]), conv: zeros([rows, d + 2 * groups * n, k - 1]) };
}

/** One matrix a head: Δ (b l heads), A (heads n), the same for all n. */
export function mamba2Dynamics(
  parameter: FindParameter,
  { stateSize: n }: Mamba2Sizes,
  captured: Record<string, Tensor>,
  layer: number,
): ScanDynamics {
  const site = (name: string): Tensor => captured[`layers.${layer}.${name}`]!.view();
  const A = scope(() => perState(negExp(parameter('mixer.A_log')!), n));
  return { delta: site('delta'), A, B: site('B'), C: site('C') };
}

/** The same a channel, for what is around the scan. */
export function mamba2Parts(parameter: FindParameter, config: Mamba2Sizes, captured: Record<string, Tensor>, layer: number): BlockParts {
  const { innerSize: d, headSize, stateSize: n, convKernel: k } = config;
  const site = (name: string): Tensor => captured[`layers.${layer}.${name}`]!.view();
  const own = (name: string): Tensor => parameter(`mixer.${name}`)!;
  const taps = own('conv1d.weight');
  const convBias = parameter('mixer.conv1d.bias');
  return {
    delta: scope(() => perChannel(site('delta'), headSize)),
    A: scope(() => perState(perChannel(negExp(own('A_log')), headSize), n)),
    B: site('B'),
    C: site('C'),
    D: scope(() => perChannel(own('D'), headSize)),
    x: site('x'),
    conv: site('conv'),
    u: site('u'),
    gate: scope(() => gateOf(config, site('scan'), site('z'), own('norm.weight'))),
    gated: site('gated'),
    convWeight: scope(() => slice(taps.view([taps.shape[0]!, k]), 0, 0, d)),
    convBias: convBias && scope(() => slice(convBias, 0, 0, d)),
    outWeight: own('out_proj.weight').view(),
  };
}

/** SiLU(z)·weight/rms, rms that of the gated scan over each group of the norm: what the norm makes of the scan, its scale held. */
function gateOf({ innerSize: d, normGroups, epsilon }: Mamba2Sizes, scan: Tensor, z: Tensor, weight: Tensor): Tensor {
  const width = d / normGroups;
  const open = silu(z);
  const groups = [scan.size / width, width];
  const meanSquare = affine(sumLast(reshape(square(multiply(scan, open)), groups)), 1 / width, epsilon);
  const rms = exp(affine(log(meanSquare), 0.5)); //                                                 one number a group
  return multiply(reshape(divide(reshape(open, groups), reshape(rms, [groups[0]!, 1])), z.shape), weight);
}
