import {
  add,
  causalConv1d,
  gate,
  linear,
  negExp,
  reshape,
  rmsNorm,
  selectiveScan,
  silu,
  softplus,
  split,
  Tensor,
  type Float,
} from '@hidden-attention/tensor';
import { layerParameter, type BlockContext } from '../backbone.js';
import { lastInputs } from '../conv-state.js';
import type { ModelState } from '../state.js';
import type { MambaConfig } from './config.js';

/** One Mamba block (math.md section 1), line by line: h (b l m) → h + mixer(norm(h)) (b l m), and the state it leaves. */
export function mambaBlock(h: Tensor, context: BlockContext<MambaConfig>): { output: Tensor<Float>; state: ModelState['layers'][number] } {
  const { model, layer, sites, state, lengths } = context;
  const { innerSize: d, stateSize: n, timeStepRank: r, convKernel: k, epsilon, mixerEpsilon } = model.config;
  const site = <T extends Tensor>(name: string, value: T): T => sites.pass(`layers.${layer}.${name}`, value);
  const parameter = (name: string): Tensor<Float> => model.parameter(`backbone.layers.${layer}.${name}`);
  const bias = (name: string): Tensor<Float> | undefined => layerParameter(model, layer, `${name}.bias`);

  const input = site('input', h);
  const normed = site('norm', rmsNorm({ x: input, weight: parameter('norm.weight') }, { epsilon }).y);
  const [xHalf, zHalf] = split(linear(normed, parameter('mixer.in_proj.weight'), bias('mixer.in_proj')), [d, d]) as [Tensor, Tensor];
  const x = site('x', xHalf); //                                                                    (b l d)
  const z = site('z', zHalf); //                                                                    (b l d)
  const taps = reshape(parameter('mixer.conv1d.weight'), [d, k]);
  const { y: c, final: convState } = causalConv1d({ x, weight: taps, bias: bias('mixer.conv1d'), initial: state.conv, lengths });
  const u = site('u', silu(site('conv', c))); //                                                    x′ (b l d)
  const [low, BFlat, CFlat] = split(linear(u, parameter('mixer.x_proj.weight')), [r, n, n]).map((part) =>
    mixerEpsilon === undefined ? part : rmsNorm({ x: part }, { epsilon: mixerEpsilon }).y,
  ) as [Tensor, Tensor, Tensor]; //                                                                 Δr, B, C
  const B = site('B', BFlat); //                                                                    (b l n)
  const C = site('C', CFlat); //                                                                    (b l n)
  const A = negExp(parameter('mixer.A_log')); //                                                    (d n)
  const { gated, scanState } = scanAndGate({ u, low, A, B, C, z }, context);
  const mixer = site('mixer', linear(site('gated', gated), parameter('mixer.out_proj.weight'), bias('mixer.out_proj')));
  const output = site('output', add(input, mixer));

  sites.pass(`layers.${layer}.state`, scanState, { perPosition: false });
  if (!sites.quiet(`layers.${layer}.convState`)) {
    sites.pass(`layers.${layer}.convState`, lastInputs(x, state.conv, k, lengths), { perPosition: false });
  }
  return { output, state: { scan: scanState, conv: convState } };
}

/**
 * Δ, the scan and the gate: in one kernel, unless somebody looks at or changes what is between them, or a rule holds a part.
 */
function scanAndGate(
  { u, low, A, B, C, z }: { u: Tensor; low: Tensor; A: Tensor; B: Tensor; C: Tensor; z: Tensor },
  { model, layer, sites, state, lengths, spelledOut }: BlockContext<MambaConfig>,
): { gated: Tensor<Float>; scanState: Tensor<Float> } {
  const parameter = (name: string): Tensor<Float> => model.parameter(`backbone.layers.${layer}.mixer.${name}`);
  const grouped = (tensor: Tensor): Tensor => reshape(tensor, [...tensor.shape.slice(0, 2), 1, tensor.shape[2]!]); // (b l n) → (b l 1 n)
  const operands = { u, A, B: grouped(B), C: grouped(C), D: parameter('D'), initialState: state.scan, lengths };
  if (!spelledOut && sites.quiet(`layers.${layer}.delta`, `layers.${layer}.scan`)) {
    const delta = linear(low, parameter('dt_proj.weight'));
    const { y, finalState } = selectiveScan({ ...operands, delta, deltaBias: parameter('dt_proj.bias'), z }, { softplus: true });
    return { gated: y, scanState: finalState };
  }
  const delta = sites.pass(`layers.${layer}.delta`, softplus(linear(low, parameter('dt_proj.weight'), parameter('dt_proj.bias'))));
  const { y, finalState } = selectiveScan({ ...operands, delta });
  return { gated: gate({ x: sites.pass(`layers.${layer}.scan`, y), z }), scanState: finalState };
}
