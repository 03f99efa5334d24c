import type { Call, OpDefinition, Operands } from './op.js';
import { binary } from './ops/elementwise.js';
import { parseRule, type RuleSet } from './rules.js';
import { scope } from './scope.js';
import { ShapeError, formatShape } from './shape-error.js';
import { Tensor, type Float } from './tensor.js';

type AnyOp = OpDefinition<Operands, unknown, Operands>;

const tapes: (Tape | undefined)[] = [];

/** The tape that records now. */
export function currentTape(): Tape | undefined {
  return tapes.at(-1);
}

/** Whether a tape is open, `unrecorded` or not: what is computed now may be computed again for a gradient. */
export function anyTape(): boolean {
  return tapes.some((tape) => tape !== undefined);
}

/** Runs `body` with nothing recorded. */
export function unrecorded<R>(body: () => R): R {
  tapes.push(undefined);
  try {
    return body();
  } finally {
    tapes.pop();
  }
}

/** What `tape.gradient` may be told. */
export interface GradientOptions {
  /** the gradient of `output`; all ones by default */
  seed?: Tensor;
  rules?: RuleSet;
  /** sees the gradients of each call's inputs, last call first; they are freed afterwards */
  watch?: Watch;
}

/** Somebody who looks at a backward pass: the number of a call on the tape, and the gradients of its inputs. */
export type Watch = (call: number, gradients: Operands) => void;

/** The calls between some inputs and what was made of them, in order. Free it with `dispose` or `using`. */
export class Tape {
  readonly #calls: { op: AnyOp; call: Call }[] = [];
  readonly #followed: Set<Tensor>;

  /** Use `record`. */
  constructor(inputs: Iterable<Tensor>) {
    this.#followed = new Set(inputs);
  }

  /** Whether any operand is an input or was made from one. */
  follows(operands: Operands): boolean {
    for (const name in operands) if (operands[name] && this.#followed.has(operands[name])) return true;
    return false;
  }

  /** What was recorded, first call first. */
  get calls(): readonly { readonly op: AnyOp; readonly call: Call }[] {
    return this.#calls;
  }

  /** Adds a call; keeps its tensors alive until `dispose`. */
  record(op: AnyOp, call: Call): void {
    for (const tensor of tensorsOf(call)) tensor.retain();
    this.#calls.push({ op, call });
    for (const name in call.outputs) if (call.outputs[name]) this.#followed.add(call.outputs[name]);
  }

  /**
   * Gradients of Σ seed ⊙ output with respect to `inputs`, which may be any tensors on the tape; zeros where output does not
   * depend on one. Each has its input's type. `rules` replaces the local gradients of the ops it names (math.md section 5). Can be asked again and again.
   * @throws when `output` was not recorded, or a rule is not known to its op
   */
  gradient(output: Tensor, inputs: readonly Tensor[], options: GradientOptions = {}): Tensor<Float>[] {
    const { seed, rules = {}, watch } = options;
    if (!this.#followed.has(output))
      throw new Error(`gradient: the output ${formatShape(output.shape)} does not depend on the inputs of this tape`);
    if (seed && formatShape(seed.shape) !== formatShape(output.shape)) {
      throw new ShapeError(`gradient: the seed is ${formatShape(seed.shape)}; the output is ${formatShape(output.shape)}`);
    }
    return unrecorded(() =>
      scope(() => this.#backward([[output, seed ?? Tensor.full(output.shape, 1, output.device)]], inputs, rules, watch)),
    );
  }

  /** As `gradient`, of Σ seed ⊙ output over several outputs on the tape together. */
  gradients(seeds: Iterable<readonly [output: Tensor, seed: Tensor]>, inputs: readonly Tensor[], rules: RuleSet = {}): Tensor<Float>[] {
    return unrecorded(() => scope(() => this.#backward(seeds, inputs, rules)));
  }

  #backward(seeds: Iterable<readonly [Tensor, Tensor]>, inputs: readonly Tensor[], rules: RuleSet, watch?: Watch): Tensor<Float>[] {
    const wanted = new Set(inputs);
    for (const input of inputs) this.#requireGradientOf(input);
    const needed = this.#ancestorsThrough(wanted);
    const gradients = new Map<Tensor, Tensor>();
    const addTo = (tensor: Tensor, found: Tensor): void => {
      const gradient = found.dtype === tensor.dtype ? found : found.as(tensor.dtype as Float);
      if (gradient !== found) found.dispose();
      const sofar = gradients.get(tensor);
      gradients.set(tensor, sofar ? sum(sofar, gradient) : gradient);
      if (sofar) gradient.dispose();
    };
    for (const [output, seed] of seeds) addTo(output, seed.view());
    for (let number = this.#calls.length - 1; number >= 0; number--) {
      const { op, call } = this.#calls[number]!;
      const dOutputs: Record<string, Tensor> = {};
      for (const name in call.outputs) {
        const gradient = call.outputs[name] && gradients.get(call.outputs[name]);
        if (gradient) dOutputs[name] = gradient;
      }
      const asked = (name: string): boolean => call.inputs[name] !== undefined && needed.has(call.inputs[name]);
      if (Object.keys(dOutputs).length === 0 || !Object.keys(call.inputs).some(asked)) continue;
      for (const name in call.inputs) if (asked(name)) this.#requireGradientOf(call.inputs[name]!);
      const dInputs = gradientOf(op, rules)(call, dOutputs, asked, rules);
      watch?.(number, dInputs);
      for (const name in call.outputs) {
        const tensor = call.outputs[name];
        if (tensor && !wanted.has(tensor)) {
          dOutputs[name]?.dispose();
          gradients.delete(tensor);
        }
      }
      for (const name in dInputs) {
        const gradient = dInputs[name];
        const input = call.inputs[name];
        if (gradient && input) addTo(input, gradient);
      }
    }
    return inputs.map((input) => (gradients.get(input) ?? zerosLike(input)) as Tensor<Float>);
  }

  /** Refuses a tensor in int8, with the place where it first went in. */
  #requireGradientOf(input: Tensor): void {
    if (input.dtype !== 'i8') return;
    const used = this.#calls.find(({ call }) => Object.values(call.inputs).includes(input));
    const [operand] = Object.entries(used?.call.inputs ?? {}).find(([, tensor]) => tensor === input) ?? [];
    const place = used ? `, ${operand} of ${used.op.name},` : '';
    throw new Error(
      `gradient: a tensor ${formatShape(input.shape)}${place} is in int8 and has none; hold it in f32, bf16 or f16, or ask for those of other tensors`,
    );
  }

  /** All tensors on the tape that depend on one of `wanted`, and these. */
  #ancestorsThrough(wanted: Set<Tensor>): Set<Tensor> {
    const needed = new Set(wanted);
    for (const { call } of this.#calls) {
      if (!Object.values(call.inputs).some((tensor) => tensor && needed.has(tensor))) continue;
      for (const tensor of Object.values(call.outputs)) if (tensor) needed.add(tensor);
    }
    return needed;
  }

  /** Lets go of the recorded tensors. */
  dispose(): void {
    for (const { call } of this.#calls.splice(0)) for (const tensor of tensorsOf(call)) tensor.letGo();
    this.#followed.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function zerosLike(tensor: Tensor): Tensor {
  const zeros = Tensor.full(tensor.shape, 0, tensor.device);
  return tensor.dtype === 'f32' ? zeros : zeros.as(tensor.dtype as Float);
}

/** a + b; disposes of a. */
function sum(a: Tensor, b: Tensor): Tensor {
  const y = binary('add', a, b);
  a.dispose();
  return y;
}

function* tensorsOf(call: Call): Iterable<Tensor> {
  for (const group of [call.inputs, call.outputs, call.saved]) for (const name in group) if (group[name]) yield group[name];
}

function gradientOf(op: AnyOp, rules: RuleSet): NonNullable<AnyOp['gradient']> {
  const rule = rules[op.name];
  if (rule === undefined) {
    if (!op.gradient)
      throw new Error(`gradient: ${op.name} has no gradient, and the output depends on it; compute it outside of the tape (unrecorded)`);
    return op.gradient;
  }
  const found = op.rules?.[parseRule(rule).name];
  if (!found) {
    throw new Error(`gradient: ${op.name} has no rule "${rule}"; it has: ${Object.keys(op.rules ?? {}).join(', ') || 'none'}`);
  }
  return found;
}

/**
 * Runs `body` and records every differentiable op between `inputs` and what `body` returns.
 * Several gradients, with different rules or seeds, can be asked of the one tape.
 */
export function record<R>(inputs: Iterable<Tensor>, body: () => R): { value: R; tape: Tape } {
  const tape = new Tape(inputs);
  tapes.push(tape);
  try {
    return { value: body(), tape };
  } catch (error) {
    tape.dispose();
    throw error;
  } finally {
    tapes.pop();
  }
}

/**
 * The value of `body` and the gradients of it (of the sum of its numbers, or weighted by `seed`) with respect to `inputs`.
 */
export function gradient<O extends Tensor>(
  body: () => O,
  inputs: readonly Tensor[],
  options: GradientOptions = {},
): { value: O; gradients: Tensor<Float>[] } {
  const { value, tape } = record(inputs, body);
  try {
    return { value, gradients: tape.gradient(value, inputs, options) };
  } finally {
    tape.dispose();
  }
}
