import { describe, expect, test } from 'vitest';
import { testExplainer } from '../src/conformance.js';
import { explain, getExplainer, listExplainers, registerExplainer, defineExplainer } from '../src/index.js';
import { fullName } from '../src/index.js';
import { randomIds, smallModel } from './models.js';

for (const explainer of listExplainers()) testExplainer(explainer);
testExplainer(getExplainer('mamba-attribution'), { options: { clamp: 'none', normalize: 'none' } });
testExplainer(getExplainer('raw'), { models: [smallModel()], options: { row: 'literal', aggregate: 'meanAbs' } });

/** Explains by the last layer alone: an explainer as a third party writes it. */
const lastLayer = defineExplainer({
  name: 'last-layer',
  title: 'Last layer',
  summary: 'What the last layer reads at the place of the answer.',
  cite: 'this page',
  signed: true,
  supports: (model) => model.config.head.kind === 'language-model' || 'it needs one place of the answer',
  async explain(question) {
    return { scores: await (await question.attention()).layer(-1).row('last').read() };
  },
});
testExplainer(lastLayer);

describe('the registry', () => {
  test('holds the built-in methods in both variants', () => {
    expect(listExplainers().map(fullName).slice(0, 8)).toEqual([
      'raw',
      'raw:released',
      'rollout',
      'rollout:released',
      'mamba-attribution',
      'mamba-attribution:released',
      'gradient-x-input',
      'decomposition',
    ]);
    expect(getExplainer('raw:paper')).toBe(getExplainer('raw'));
  });
  test('an explainer works as a value, and by its name once registered; twice is refused', async () => {
    const request = { model: smallModel(), input: [randomIds(1, 7)], check: false } as const;
    const [byValue] = await explain({ ...request, methods: [lastLayer] });
    await expect(explain({ ...request, methods: ['last-layer'] })).rejects.toThrow('unknown explainer "last-layer"');
    registerExplainer(lastLayer);
    const [byName] = await explain({ ...request, methods: ['last-layer'] });
    expect(byName!.maps[0]!.scores).toEqual(byValue!.maps[0]!.scores);
    expect(() => registerExplainer(lastLayer)).toThrow('an explainer "last-layer" is registered already');
    registerExplainer(lastLayer, { overwrite: true });
    expect(() => registerExplainer({ ...lastLayer, name: 'Last Layer' })).toThrow('lower case');
  });
  test('an unknown name is answered with the nearest', () => {
    expect(() => getExplainer('rolout')).toThrow('unknown explainer "rolout"; the nearest are rollout');
  });
});
