// Rules for ops: of one that exists, and of one's own, by one public call each.
import { defineOp, defineRule, multiply, record, silu, sum, Tensor, unrecorded } from '@hidden-attention/tensor';
import { expect, test } from 'vitest';
import { registerRules, rules } from '../src/index.js';

test('a third party adds a rule to an op that exists', async () => {
  defineRule('silu', 'pass', (_, { y: dy }) => ({ x: dy?.view() }));
  const x = Tensor.from(Float32Array.of(1, -2), [2]);
  const { value, tape } = record([x], () => sum(silu(x)));
  const [passed] = tape.gradient(value, [x], { rules: { silu: 'pass' } });
  expect(await passed!.read()).toEqual(Float32Array.of(1, 1));
  tape.dispose();
  expect(() => defineRule('silu', 'pass', () => ({}))).toThrow('silu has a rule "pass" already');
  expect(() => defineRule('sillu', 'pass', () => ({}))).toThrow('no op is called "sillu"; there are');
});

test('the rule sets hold of an op of a third party what it says', async () => {
  const square = defineOp<{ x: Tensor }, object, { y: Tensor }>({
    name: 'thirdPartySquare',
    signature: 'x: ... -> y: ...',
    forward: ({ x }) => ({ outputs: { y: unrecorded(() => multiply(x, x)) } }),
    gradient: ({ inputs: { x } }, { y: dy }) => ({ x: dy && multiply(multiply(dy, x), Tensor.full([1], 2)) }),
    rules: { hold: ({ inputs: { x } }, { y: dy }) => ({ x: dy && multiply(dy, x) }) },
  });
  registerRules('thirdPartySquare', { decomposition: 'hold', mambaLrp: 'hold' });
  const x = Tensor.from(Float32Array.of(3), [1]);
  const { value, tape } = record([x], () => square({ x }, {}).y);
  const [slope] = tape.gradient(value, [x]);
  const [held] = tape.gradient(value, [x], { rules: rules.decomposition });
  expect([await slope!.item(), await held!.item()]).toEqual([6, 3]); // 3·3 is the value: held, the share adds up
  tape.dispose();
  expect(() => registerRules('gate', { decomposition: 'half' })).toThrow('rule set "decomposition" has the rule "hold" for gate already');
  expect(() => registerRules('x', { gradient: 'hold' } as never)).toThrow('there is no rule set "gradient"');
});
