// One layer of Hawk (De et al. 2024, arXiv 2402.19427): a recurrent block with the RG-LRU, then a gated linear unit.
import type { BlockContext, LayerResult, ScanState } from '@hidden-attention/model';
import {
  add,
  affine,
  causalConv1d,
  divide,
  exp,
  linear,
  log,
  multiply,
  reshape,
  rmsNorm,
  selectiveScan,
  sigmoid,
  softplus,
  Tensor,
} from '@hidden-attention/tensor';
import type { HawkConfig } from './config.js';
import { geluGate } from './gelu-gate.js';

/** r is multiplied by it: a = exp(−8·softplus(Λ)·r) */
const sharpness = 8;

/**
 * The RG-LRU is the selective scan with one state a channel: s_t = a_t·s_{t−1} + √(1 − a_t²)·i_t·x_t is exp(Δ·A)·s + Δ·B·x with A = −1,
 * Δ = 8·softplus(Λ)·r, B = √(1 − a²)·i/Δ and C = 1. B and C differ by channel: a group a channel.
 */
export function hawkBlock(h: Tensor, { model, layer, sites, state, parameter, batch }: BlockContext<HawkConfig>): LayerResult<ScanState> {
  const { innerSize: d, convKernel: k, epsilon } = model.config;
  const { lengthsTensor: lengths, startsTensor: starts } = batch;
  const site = <T extends Tensor>(name: string, value: T): T => sites.pass(`layers.${layer}.${name}`, value);
  const project = (x: Tensor, name: string): Tensor => linear(x, parameter(`${name}.weight`), parameter(`${name}.bias`));
  const norm = (x: Tensor, name: string): Tensor => rmsNorm({ x, weight: parameter(`${name}.weight`) }, { epsilon }).y;

  const input = site('input', h);
  const normed = site('norm', norm(input, 'temporal_norm'));
  const x = site('x', project(normed, 'linear_x')); //                                              (b l d)
  const z = site('z', project(normed, 'linear_y')); //                                              (b l d)
  const weight = reshape(parameter('conv_1d.weight'), [d, k]);
  const { y: c, final: conv } = causalConv1d({ x, weight, bias: parameter('conv_1d.bias'), initial: state.conv, lengths, starts });
  const u = site('u', site('conv', c)); //                                                          no activation between them
  const decays = multiply(sigmoid(project(u, 'recurrence_gate')), affine(softplus(parameter('recurrent_param')), sharpness));
  const delta = site('delta', decays); //                                                           −log a (b l d)
  const kept = exp(affine(log(affine(exp(affine(delta, -2)), -1, 1 + 1e-6)), 0.5)); //              √(1 − a²)
  const byChannel = (value: Tensor): Tensor => reshape(value, [...value.shape.slice(0, 2), d, 1]); // (b l d 1)
  const B = site('B', byChannel(divide(multiply(sigmoid(project(u, 'input_gate')), kept), delta)));
  const C = site('C', Tensor.full(B.shape, 1, B.device));
  const A = Tensor.full([d, 1], -1, B.device);
  const { y, finalState } = selectiveScan({ u, delta, A, B, C, initialState: state.scan, lengths, starts });
  const gated = site('gated', geluGate({ x: site('scan', y), z }));
  const middle = site('middle', add(input, site('mixer', project(gated, 'linear_out'))));
  const second = norm(middle, 'channel_norm');
  const hidden = geluGate({ x: project(second, 'up_proj'), z: project(second, 'gate_proj') });
  const output = site('output', add(middle, site('feedForward', project(hidden, 'down_proj'))));
  sites.pass(`layers.${layer}.state`, finalState, { perPosition: false });
  return { output, state: { scan: finalState, conv } };
}
