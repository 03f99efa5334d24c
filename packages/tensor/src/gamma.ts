import type { Gradient, OpDefinition, Operands } from './op.js';
import { binary, unary } from './ops/elementwise.js';
import { sumLeading } from './ops/reduce.js';
import { parseRule } from './rules.js';
import { scope } from './scope.js';
import type { Tensor } from './tensor.js';

/** Operands of an op that is linear in x (and in what came before it, `initial`) and in a weight, with a bias along the last axis. */
type LinearInputs = Operands & { x: Tensor; weight: Tensor; bias?: Tensor | undefined };

/** Keeps 0/0 out of quotients whose numerator is 0 then; the smallest numbers that are not flushed are larger. */
const tiny = 1e-37;

/** max(x, 0) and min(x, 0). */
function halves(x: Tensor): readonly [above: Tensor, below: Tensor] {
  const above = unary('positive', x);
  return [above, binary('subtract', x, above)];
}

/** 1 where x is above 0, and where it is below. */
function sides(x: Tensor): readonly [Tensor, Tensor] {
  const [above, below] = halves(x);
  return [binary('divide', above, unary('affine', above, 1, tiny)), binary('divide', below, unary('affine', below, 1, -tiny))];
}

/**
 * The generalised γ rule of LRP (Andéol et al. 2021; MambaLRP's for images): of the contributions x_i·w_ij, and the bias, to an output z_j,
 * those of z_j's own sign count 1 + γ times, and all are scaled down together so that they still add up to z_j.
 * Named with its number, `gamma:0.25`. Weights get no gradient under it.
 * @param definition of the op whose rule it is: linear in x and in weight
 */
export function gammaRule<In extends LinearInputs, Options, Out extends Operands & { y: Tensor }>(
  definition: () => OpDefinition<In, Options, Out>,
): Gradient<In, Options, Out> {
  return (call, { y: dy, ...others }, needs, rules) => {
    const { name: op, forward, gradient } = definition();
    const { number: gamma } = parseRule(rules[op]!);
    if (gamma === undefined || !(gamma >= 0 && gamma < Infinity))
      throw new Error(`${op}: rule "${rules[op]}" needs a number of at least 0 behind it, for example gamma:0.25`);
    if (!dy) return {};
    return scope(() => {
      const { inputs, options, outputs, axes } = call;
      const weight = inputs.weight.dtype === 'i8' ? inputs.weight.as('f32') : inputs.weight;
      const receivers = ['x', 'initial'].filter((name) => inputs[name] !== undefined);
      const split = receivers.map((name) => halves(inputs[name]!));
      const weights = halves(weight);
      const bias = inputs.bias && halves(inputs.bias);

      /** What one half of the inputs adds to the outputs through one half of the weights. */
      const read = (side: 0 | 1, through: 0 | 1): Tensor => {
        const own = Object.fromEntries(receivers.map((name, at) => [name, split[at]![side]]));
        return forward({ ...inputs, ...own, weight: weights[through], bias: undefined }, options, { axes, recording: false }).outputs.y;
      };
      /** Everything of one sign that adds to the outputs. */
      const ofSign = (sign: 0 | 1): Tensor => {
        const sum = binary('add', read(0, sign), read(1, sign === 0 ? 1 : 0));
        return bias ? binary('add', sum, bias[sign]) : sum;
      };
      const shares = halves(outputs.y).map((z, sign) => {
        const whole = binary('add', z, unary('affine', ofSign(sign as 0 | 1), gamma, sign === 0 ? tiny : -tiny));
        return binary('multiply', dy, binary('divide', z, whole));
      }) as [Tensor, Tensor];

      type Back = Partial<Record<string, Tensor | undefined>>;
      const back = (through: Tensor, dOutputs: Partial<Record<string, Tensor>>): Back =>
        gradient!(
          { ...call, inputs: { ...inputs, weight: through, bias: undefined } },
          dOutputs as Parameters<NonNullable<typeof gradient>>[1],
          (name) => receivers.includes(name) && needs(name),
          rules,
        ) as Back;
      const all = back(weight, { ...others, y: binary('add', ...shares) });
      const throughOwnSign = [0, 1].map((side) => [0, 1].map((sign) => back(weights[side ^ sign]!, { y: shares[sign]! })));
      const extra = (name: string): Tensor => {
        const of = sides(inputs[name]!).map((mask, side) => {
          const [one, other] = throughOwnSign[side]! as [Back, Back];
          return binary('multiply', binary('add', one[name]!, other[name]!), mask);
        }) as [Tensor, Tensor];
        return unary('affine', binary('add', ...of), gamma);
      };
      const found = receivers.map((name) => [name, all[name] && binary('add', all[name], extra(name))] as const);
      const ofBias =
        inputs.bias && needs('bias')
          ? sides(inputs.bias)
              .map((mask, sign) => binary('multiply', sumLeading(shares[sign]!), unary('affine', mask, gamma, 1)))
              .reduce((a, b) => binary('add', a, b))
          : undefined;
      return { ...Object.fromEntries(found), bias: ofBias } as ReturnType<Gradient<In, Options, Out>>;
    });
  };
}
