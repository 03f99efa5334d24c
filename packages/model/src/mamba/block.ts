import { add, gate, linear, negExp, reshape, rmsNorm, selectiveScan, softplus, split, Tensor, type Float } from '@hidden-attention/tensor';
import { overwrites, type BlockContext } from '../backbone.js';
import { lastInputs } from '../conv-state.js';
import { convolutionAndSilu } from '../convolution.js';
import { projections } from '../projections.js';
import type { LayerResult } from '../recompute.js';
import type { ScanState } from '../state.js';
import type { MambaSizes } from './config.js';

/** Norms on Δr, B and C, where a family has them; without weights in Falcon-Mamba. */
const mixerNorms = ['dt_layernorm', 'b_layernorm', 'c_layernorm'] as const;

/** One Mamba block: h (b l m) → h + mixer(norm(h)) (b l m), and the state it leaves. */
export function mambaBlock(h: Tensor, context: BlockContext<MambaSizes>): LayerResult<ScanState> {
  const { input, mixer, state } = mambaMixer(h, context);
  return { output: context.sites.pass(`layers.${context.layer}.output`, add(input, mixer)), state };
}

/** What a Mamba block adds to its input (math.md section 1), line by line: norm, mixer, and the state it leaves. */
export function mambaMixer(h: Tensor, context: BlockContext<MambaSizes>): { input: Tensor; mixer: Tensor; state: ScanState } {
  const { model, layer, sites, state, parameter, optional, constant, spelledOut } = context;
  const { lengthsTensor: lengths, startsTensor: starts } = context.batch;
  const { innerSize: d, stateSize: n, timeStepRank: r, convKernel: k, epsilon, mixerEpsilon } = model.config;
  const site = <T extends Tensor>(name: string, value: T): T => sites.pass(`layers.${layer}.${name}`, value);
  const bias = (name: string): Tensor | undefined => optional(`${name}.bias`);

  const input = site('input', h);
  const normed = site('norm', rmsNorm({ x: input, weight: parameter('norm.weight') }, { epsilon }).y);
  const halves = projections(normed, parameter('mixer.in_proj.weight'), [d, d], bias('mixer.in_proj'), spelledOut);
  const [xHalf, zHalf] = halves as [Tensor, Tensor];
  const x = site('x', xHalf); //                                                                    (b l d)
  const z = site('z', zHalf); //                                                                    (b l d)
  const taps = reshape(parameter('mixer.conv1d.weight'), [d, k]);
  const window = { x, weight: taps, bias: bias('mixer.conv1d'), initial: state.conv, lengths, starts };
  const fused = !spelledOut && sites.quiet(`layers.${layer}.conv`);
  const { y, final: convState } = convolutionAndSilu(window, { fused, inPlace: overwrites(context, 'convState') }, (c) => site('conv', c));
  const u = site('u', y); //                                                                        x′ (b l d)
  const [low, BFlat, CFlat] = split(linear(u, parameter('mixer.x_proj.weight')), [r, n, n]).map((x, i) =>
    mixerEpsilon === undefined ? x : rmsNorm({ x, weight: optional(`mixer.${mixerNorms[i]}.weight`) }, { epsilon: mixerEpsilon }).y,
  ) as [Tensor, Tensor, Tensor]; //                                                                 Δr, B, C
  const B = site('B', BFlat); //                                                                    (b l n)
  const C = site('C', CFlat); //                                                                    (b l n)
  const A = constant(() => negExp(parameter('mixer.A_log'))); //                                                    (d n)
  const { gated, scanState } = scanAndGate({ u, low, A, B, C, z }, context);
  const mixer = site('mixer', linear(site('gated', gated), parameter('mixer.out_proj.weight'), bias('mixer.out_proj')));

  sites.pass(`layers.${layer}.state`, scanState, { perPosition: false });
  if (!sites.quiet(`layers.${layer}.convState`)) {
    sites.pass(`layers.${layer}.convState`, lastInputs(x, state.conv, k, context.batch), { perPosition: false });
  }
  return { input, mixer, state: { scan: scanState, conv: convState } };
}

/**
 * Δ, the scan and the gate: in one kernel, unless somebody looks at or changes what is between them, or a rule holds a part.
 */
function scanAndGate(
  { u, low, A, B, C, z }: { u: Tensor; low: Tensor; A: Tensor; B: Tensor; C: Tensor; z: Tensor },
  context: BlockContext<MambaSizes>,
): { gated: Tensor<Float>; scanState: Tensor<Float> } {
  const { layer, sites, state, batch, spelledOut } = context;
  const parameter = (name: string): Tensor => context.parameter(`mixer.${name}`);
  const inPlace = overwrites(context, 'state');
  const grouped = (tensor: Tensor): Tensor => reshape(tensor, [...tensor.shape.slice(0, 2), 1, tensor.shape[2]!]); // (b l n) → (b l 1 n)
  const rows = { initialState: state.scan, lengths: batch.lengthsTensor, starts: batch.startsTensor };
  const operands = { u, A, B: grouped(B), C: grouped(C), D: parameter('D'), ...rows };
  if (!spelledOut && sites.quiet(`layers.${layer}.delta`, `layers.${layer}.scan`)) {
    const delta = linear(low, parameter('dt_proj.weight'));
    const { y, finalState } = selectiveScan({ ...operands, delta, deltaBias: parameter('dt_proj.bias'), z }, { softplus: true, inPlace });
    return { gated: y, scanState: finalState };
  }
  const delta = sites.pass(`layers.${layer}.delta`, softplus(linear(low, parameter('dt_proj.weight'), parameter('dt_proj.bias'))));
  const { y, finalState } = selectiveScan({ ...operands, delta }, { inPlace });
  return { gated: gate({ x: sites.pass(`layers.${layer}.scan`, y), z }), scanState: finalState };
}
