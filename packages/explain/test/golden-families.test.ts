// The golden figures of the other families, all of them: every expected tensor of case.json is looked at.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { attentionView } from '@hidden-attention/attention';
import { loadModel, readSafetensors } from '@hidden-attention/checkpoint';
import { createModel, disposeState, Model } from '@hidden-attention/model';
import { createSession, generateAll } from '@hidden-attention/runner';
import { crossEntropy, record, reshape, sum, Tensor } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';

interface Case {
  tensors: Record<string, { role: 'input' | 'expected'; shape: number[]; tolerance: { exact?: boolean; atol?: number; rtol?: number } }>;
}

/** Our names of the sites that the golden figures call otherwise (contract.md). */
const sites: [pattern: RegExp, ours: string][] = [
  [/ssm_state$/, 'state'],
  [/conv_state$/, 'convState'],
  [/scan_output$/, 'scan'],
  [/\.x$/, '.u'],
];

describe.each(['falcon-mamba-lm', 'mamba2-lm'])('%s', async (name) => {
  const folder = fileURLToPath(new URL(`../../model/test/golden/${name}/`, import.meta.url));
  const { tensors: figures } = JSON.parse(readFileSync(`${folder}case.json`, 'utf8')) as Case;
  const file = await readSafetensors(`${folder}golden.safetensors`);
  const { model } = await loadModel(folder);
  const numbers = async (golden: string): Promise<ArrayLike<number>> => {
    const read = await file.tensors.get(golden)!.read();
    return read instanceof BigInt64Array ? Array.from(read, Number) : (read as Float32Array);
  };
  const rowsOf = async (golden: string): Promise<number[][]> => {
    const [rows, length] = figures[golden]!.shape as [number, number];
    const all = Array.from(await numbers(golden));
    return Array.from({ length: rows }, (_, row) => all.slice(row * length, (row + 1) * length));
  };
  const tested = new Set<string>(['greedy_tokens']);
  /** |actual − expected| ≤ atol + rtol·|expected|; of a tensor of batch 0 only, with the beginning of ours. */
  const expectGolden = async (golden: string, actual: ArrayLike<number>): Promise<void> => {
    tested.add(golden);
    const { atol = 0, rtol = 0 } = figures[golden]!.tolerance;
    const expected = await numbers(golden);
    expect(actual.length).toBeGreaterThanOrEqual(expected.length);
    for (let i = 0; i < expected.length; i++) {
      const near = Math.abs(actual[i]! - expected[i]!) <= atol + rtol * Math.abs(expected[i]!);
      if (!near) expect.fail(`${golden}[${i}] is ${actual[i]}; ${expected[i]} within ${atol} + ${rtol}·|it| is expected`);
    }
  };
  const prompts = await rowsOf('input_ids');
  const expected = Object.keys(figures).filter((golden) => figures[golden]!.role === 'expected');
  const ofSites = expected.filter((golden) => golden === 'logits' || /^layers\.\d+\.(?!alpha)/.test(golden));

  test.each([false, true])('logits, intermediates and states; spelledOut: %s', async (spelledOut) => {
    const batch = model.batch(prompts);
    const siteOf = (golden: string): string => sites.reduce((site, [pattern, ours]) => site.replace(pattern, ours), golden);
    const { captured } = model.forward(batch, { capture: ofSites.map(siteOf), spelledOut });
    for (const golden of ofSites) await expectGolden(golden, await captured[siteOf(golden)]!.read());
    const quiet = model.forward(batch, { spelledOut });
    await expectGolden('logits', await quiet.logits!.read());
  });

  test('greedy tokens, the rows together and each alone, and the logits of single steps', async () => {
    const tokens = await rowsOf('greedy_tokens');
    const options = { maxTokens: tokens[0]!.length, ignoreEos: true };
    expect(await generateAll(model, prompts, options)).toEqual(tokens);
    for (const [r, prompt] of prompts.entries()) expect(await generateAll(model, [prompt], options)).toEqual([tokens[r]]);
    if (!figures['greedy_step_logits']) return;
    const [, steps] = figures['greedy_step_logits'].shape as [number, number];
    const all: number[] = [];
    for (const [r, prompt] of prompts.entries()) {
      using session = createSession(model);
      await session.append(prompt);
      for (let step = 0; step < steps; step++) all.push(...(await session.append([tokens[r]![step]!])));
    }
    await expectGolden('greedy_step_logits', all);
  });

  test('hidden attention', async () => {
    using view = await attentionView(model, prompts);
    for (const golden of expected.filter((some) => /alpha/.test(some))) {
      const [, layer, first, last] = /^layers\.(\d+)\.alpha(?:_ch(\d+)_(\d+))?$/.exec(golden)!;
      const channels = first === undefined ? 'all' : Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i);
      await expectGolden(golden, await view.layer(Number(layer)).matrix({ channels }).read());
    }
  });

  const withLoss = expected.includes('loss') ? test : undefined;
  withLoss?.('the loss and its gradients', async () => {
    const length = prompts[0]!.length;
    const targets = prompts.flatMap((row) => [...row.slice(1), -100]); // the logits at i predict the token at i + 1
    const count = prompts.length * (length - 1);
    const names = [...model.parameters.keys()];
    const inputs = names.map((parameter) => model.parameter(parameter));
    const { value, tape } = record(inputs, () => {
      const { logits } = model.forward(model.batch(prompts));
      return sum(crossEntropy(reshape(logits!, [targets.length, model.config.vocabSize]), Tensor.from(Int32Array.from(targets))));
    });
    await expectGolden('loss', [(await value.item()) / count]);
    const gradients = tape.gradient(value, inputs, { seed: Tensor.full([1], 1 / count) });
    for (const [i, parameter] of names.entries()) await expectGolden(`grad.${parameter}`, await gradients[i]!.read());
    tape.dispose();
  });

  const withGroups = expected.includes('logits_grouped_norm') ? test : undefined;
  withGroups?.('the gated norm over groups, as its authors have it', async () => {
    const json = { ...model.json, norm_groups: model.json['n_groups'] };
    const fresh = createModel(json);
    const grouped = new Model(fresh.family, fresh.config, json, model.parameters, model.device);
    const { logits, state } = grouped.forward(grouped.batch(prompts));
    await expectGolden('logits_grouped_norm', await logits!.read());
    disposeState(state);
    fresh.dispose();
  });

  test('nothing is left out', () => {
    expect(expected.filter((golden) => !tested.has(golden))).toEqual([]);
  });
});
