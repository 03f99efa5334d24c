import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Batch, Model } from '@hidden-attention/model';
import { crossEntropy, record, reshape, sum, Tensor } from '@hidden-attention/tensor';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadModel, readSafetensors, type SafetensorsFile } from '../src/index.js';

interface Case {
  tensors: Record<string, { role: 'input' | 'expected'; shape: number[]; tolerance: { exact?: boolean; atol?: number; rtol?: number } }>;
}

const folder = fileURLToPath(new URL('../../model/test/golden/mamba1-lm/', import.meta.url));
const { tensors: figures } = JSON.parse(readFileSync(`${folder}case.json`, 'utf8')) as Case;
const tested = new Set<string>();

/** The golden names of sites (contract.md) where they differ from ours. */
const sites: [pattern: RegExp, ours: string][] = [
  [/^final_norm$/, 'finalNorm'],
  [/ssm_state$/, 'state'],
  [/conv_state$/, 'convState'],
  [/conv_pre_silu$/, 'conv'],
  [/conv_post_silu$/, 'u'],
  [/scan_output$/, 'scan'],
  [/mixer_output$/, 'mixer'],
];
const siteOf = (name: string): string => sites.reduce((site, [pattern, ours]) => site.replace(pattern, ours), name);

let file: SafetensorsFile;
let model: Model;
let batch: Batch;

/** Compares with the golden tensor, number by number: |actual − expected| ≤ atol + rtol·|expected|. A tensor of batch 0 only is compared with that. */
async function expectGolden(name: string, actual: Float32Array): Promise<void> {
  tested.add(name);
  const { atol = 0, rtol = 0 } = figures[name]!.tolerance;
  const expected = (await file.tensors.get(name)!.read()) as Float32Array;
  expect(actual.length).toBeGreaterThanOrEqual(expected.length);
  let worst = { excess: -Infinity, i: 0 };
  for (let i = 0; i < expected.length; i++) {
    const excess = Math.abs(actual[i]! - expected[i]!) - (atol + rtol * Math.abs(expected[i]!));
    if (!(excess <= worst.excess)) worst = { excess, i };
  }
  const { excess, i } = worst;
  expect(excess, `${name}[${i}] is ${actual[i]}; ${expected[i]} within ${atol} + ${rtol}·|it| is expected`).toBeLessThanOrEqual(0);
}

async function rowsOf(name: string): Promise<number[][]> {
  const [rows, length] = figures[name]!.shape as [number, number];
  const numbers = Array.from((await file.tensors.get(name)!.read()) as BigInt64Array, Number);
  return Array.from({ length: rows }, (_, row) => numbers.slice(row * length, (row + 1) * length));
}

beforeAll(async () => {
  file = await readSafetensors(`${folder}golden.safetensors`);
  model = (await loadModel(folder)).model;
  batch = model.batch(await rowsOf('input_ids'));
});
afterAll(() => file.close());

const expected = Object.keys(figures).filter((name) => figures[name]!.role === 'expected');
const ofSites = expected.filter((name) => /^(logits|final_norm|layers\..*)$/.test(name));
const ofGradients = expected.filter((name) => name.startsWith('grad.'));

describe.each([false, true])('mamba1-lm, spelledOut: %s', (spelledOut) => {
  test('logits, intermediates and states, captured together', async () => {
    const { captured } = model.forward(batch, { capture: ofSites.map(siteOf), spelledOut });
    for (const name of ofSites) await expectGolden(name, (await captured[siteOf(name)]!.read()) as Float32Array);
  });

  test('logits and states with nothing captured', async () => {
    const { logits, state } = model.forward(batch, { spelledOut });
    await expectGolden('logits', await logits!.read());
    for (const [k, { scan }] of state.layers.entries()) await expectGolden(`layers.${k}.ssm_state`, (await scan.read()) as Float32Array);
  });

  test('the loss and its gradients in all parameters and in the embeddings of the input', async () => {
    const labels = await rowsOf('labels');
    const shifted = labels.flatMap((row) => [...row.slice(1), -100]); // the logits at i predict the label at i + 1
    const targets = Tensor.from(Int32Array.from(shifted), [shifted.length]);
    const counted = shifted.filter((label) => label >= 0).length;
    const names = [...model.parameters.keys()];
    const inputs = names.map((name) => model.parameter(name));
    const { value, tape } = record(inputs, () => {
      const { logits, captured } = model.forward(batch, { capture: ['embeddings'], spelledOut });
      const losses = crossEntropy(reshape(logits!, [shifted.length, model.config.vocabSize]), targets);
      return { loss: sum(losses), embeddings: captured['embeddings']! };
    });
    await expectGolden('loss', new Float32Array([(await value.loss.item()) / counted]));
    const gradients = tape.gradient(value.loss, [...inputs, value.embeddings], { seed: Tensor.full([1], 1 / counted) });
    for (const [i, name] of [...names, 'inputs_embeds'].entries()) await expectGolden(`grad.${name}`, await gradients[i]!.read());
    tape.dispose();
    expect(ofGradients.every((name) => tested.has(name))).toBe(true);
  });
});

test('gradients of embeddings that are given in place of the ids are the same', async () => {
  const { captured } = model.forward(batch, { capture: ['embeddings'], logits: 'none' });
  const embeddings = captured['embeddings']!;
  const labels = (await rowsOf('labels')).flatMap((row) => [...row.slice(1), -100]);
  const { value, tape } = record([embeddings], () => {
    const { logits } = model.forward(batch, { embeddings });
    return sum(
      crossEntropy(reshape(logits!, [labels.length, model.config.vocabSize]), Tensor.from(Int32Array.from(labels), [labels.length])),
    );
  });
  const [gradient] = tape.gradient(value, [embeddings], { seed: Tensor.full([1], 1 / labels.filter((label) => label >= 0).length) });
  await expectGolden('grad.inputs_embeds', await gradient!.read());
  tape.dispose();
});

test('every golden tensor was compared; those of generation are compared in the runner', () => {
  const elsewhere = ['greedy_tokens', 'greedy_step_logits'];
  expect(expected.filter((name) => !tested.has(name))).toEqual(elsewhere);
});
