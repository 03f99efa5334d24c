import { add, concat, gate, linear, negExp, reshape, rmsNorm, softplus, split, ssdScan, type Tensor } from '@hidden-attention/tensor';
import { overwrites, type BlockContext } from '../backbone.js';
import { lastInputs } from '../conv-state.js';
import { convolutionAndSilu } from '../convolution.js';
import { projections } from '../projections.js';
import type { LayerResult } from '../recompute.js';
import type { Mamba2Sizes } from './config.js';
import { clamp } from './heads.js';

/**
 * One Mamba-2 block (Dao and Gu 2024; math.md section 4), line by line: h (b l m) → h + mixer(norm(h)) (b l m), and the state it
 * leaves. The scan has one Δ and one A a head; it runs in chunks as matrix products.
 */
export function mamba2Block(h: Tensor, context: BlockContext<Mamba2Sizes>): LayerResult {
  const { model, layer, sites, state, parameter, optional, constant, spelledOut } = context;
  const { lengthsTensor: lengths, startsTensor: starts } = context.batch;
  const { innerSize: d, heads, headSize, groups: g, stateSize: n, convKernel: k, timeStepLimit, normGroups, epsilon } = model.config;
  const name = (site: string): string => `layers.${layer}.${site}`;
  const site = <T extends Tensor>(short: string, value: T): T => sites.pass(name(short), value);
  const bias = (short: string): Tensor | undefined => optional(`${short}.bias`);
  const grouped = (part: Tensor): Tensor => reshape(part, [...part.shape.slice(0, 2), g, n]);
  /** the first d of the convolution's channels have a site; B and C follow */
  const xPart = (short: string, all: Tensor): Tensor => {
    if (sites.quiet(name(short))) return all;
    const [x, BC] = split(all, [d, 2 * g * n]) as [Tensor, Tensor];
    return concat([site(short, x), BC], 2);
  };

  const input = site('input', h);
  const normed = site('norm', rmsNorm({ x: input, weight: parameter('norm.weight') }, { epsilon }).y);
  const sizes = [d, d + 2 * g * n, heads];
  const projected = projections(normed, parameter('mixer.in_proj.weight'), sizes, bias('mixer.in_proj'), spelledOut);
  const [zPart, xBC, dt] = projected as [Tensor, Tensor, Tensor];
  const z = site('z', zPart); //                                                                    (b l d)
  const convolved = xPart('x', xBC); //                                                             (b l d+2·g·n)
  const taps = reshape(parameter('mixer.conv1d.weight'), [d + 2 * g * n, k]);
  const window = { x: convolved, weight: taps, bias: bias('mixer.conv1d'), initial: state.conv, lengths, starts };
  const how = { fused: !spelledOut && sites.quiet(name('conv')), inPlace: overwrites(context, 'convState') };
  const { y: all, final: conv } = convolutionAndSilu(window, how, (c) => xPart('conv', c));
  const [x, BFlat, CFlat] = split(all, [d, g * n, g * n]) as [Tensor, Tensor, Tensor];
  const u = site('u', x); //                                                                        x′ (b l d)
  const B = site('B', grouped(BFlat)); //                                                           (b l g n)
  const C = site('C', grouped(CFlat)); //                                                           (b l g n)
  const delta = site('delta', clamp(softplus(add(dt, parameter('mixer.dt_bias'))), timeStepLimit)); // (b l heads)
  const operands = {
    x: reshape(u, [...u.shape.slice(0, 2), heads, headSize]), //                                    (b l h p)
    delta,
    A: constant(() => negExp(parameter('mixer.A_log'))), //                                                         (h)
    B,
    C,
    D: parameter('mixer.D'), //                                                                     (h)
    initialState: reshape(state.scan, [state.scan.shape[0]!, heads, headSize, n]),
    lengths,
    starts,
  };
  const { y, finalState } = ssdScan(operands, { inPlace: overwrites(context, 'state') });
  const scanned = site('scan', reshape(y, u.shape)); //                                             (b l d)
  const carried = reshape(finalState, state.scan.shape); //                                         (b d n)
  const gatedScan = gate({ x: scanned, z });
  const gated = site('gated', rmsNorm({ x: gatedScan, weight: parameter('mixer.norm.weight') }, { epsilon, groups: normGroups }).y);
  const mixer = site('mixer', linear(gated, parameter('mixer.out_proj.weight'), bias('mixer.out_proj')));
  const output = site('output', add(input, mixer));

  sites.pass(name('state'), carried, { perPosition: false });
  if (!sites.quiet(name('convState')))
    sites.pass(name('convState'), lastInputs(convolved, state.conv, k, context.batch), { perPosition: false });
  return { output, state: { scan: carried, conv } };
}
