import type { Tensor } from './tensor.js';
import { bindAxes, parseSignature, type Axes, type Signature } from './signature.js';
import type { RuleSet } from './rules.js';
import { currentTape } from './tape.js';

/** The tensors of a call, by name; absent operands are left out or undefined. */
export type Operands = Record<string, Tensor | undefined>;

/** A call of an op as the tape keeps it. */
export interface Call<In extends Operands = Operands, Options = unknown, Out extends Operands = Operands> {
  inputs: In;
  options: Options;
  outputs: Out;
  /** what the forward kept for the gradient */
  saved: Operands;
  /** sizes by axis letter of the signature */
  axes: Axes;
}

/**
 * The gradient of a call: from the gradients of its outputs (absent where nothing depends on an output) to those of its
 * inputs. `needs(name)` says whether anybody asks for an input's; `rules` are those of the whole backward pass.
 */
export type Gradient<In extends Operands, Options, Out extends Operands> = (
  call: Call<In, Options, Out>,
  dOutputs: Partial<Record<keyof Out & string, Tensor>>,
  needs: (name: keyof In & string) => boolean,
  rules: RuleSet,
) => Partial<Record<keyof In & string, Tensor | undefined>>;

/** Everything that is known of an op, in one place. */
export interface OpDefinition<In extends Operands, Options, Out extends Operands> {
  name: string;
  /** the operands' axes; see `parseSignature` */
  signature: string;
  /** Queues the op. `recording`: a gradient may be asked for, so what it needs is kept in `saved`. */
  forward(inputs: In, options: Options, context: { axes: Axes; recording: boolean }): { outputs: Out; saved?: Operands };
  /** an op without one can be called on a tape, but no gradient goes through it: asking for one throws */
  gradient?: Gradient<In, Options, Out>;
  /** relevance rules: gradients in which something is held constant or shared out, by name */
  rules?: Record<string, Gradient<In, Options, Out>>;
}

/** An op, ready to be called; its definition stays readable on it. */
export interface Op<In extends Operands, Options, Out extends Operands> {
  (inputs: In, options: Options): Out;
  readonly definition: OpDefinition<In, Options, Out>;
}

const definitions = new Map<string, OpDefinition<Operands, unknown, Operands>>();

/**
 * Adds a relevance rule to an op that exists, ours or another's, under a name that rule sets can then give: `{ silu: 'mine' }`.
 * @param op the op's name, as in `RuleSet`
 * @throws Error for an op that is not known, or a rule of that name that it has
 */
export function defineRule(op: string, name: string, rule: Gradient<Operands, unknown, Operands>): void {
  const definition = definitions.get(op);
  if (!definition) throw new Error(`defineRule: no op is called "${op}"; there are ${[...definitions.keys()].sort().join(', ')}`);
  if (definition.rules?.[name]) throw new Error(`defineRule: ${op} has a rule "${name}" already; choose another name`);
  definition.rules = { ...definition.rules, [name]: rule };
}

/**
 * Declares an op: its shapes are checked here, its call is recorded where a tape is open. Third parties add ops with
 * gradients and rules by the same call.
 */
export function defineOp<In extends Operands, Options, Out extends Operands>(
  definition: OpDefinition<In, Options, Out>,
): Op<In, Options, Out> {
  let signature: Signature | undefined; // read at the first call: a program calls few of the ops that it imports
  definitions.set(definition.name, definition as unknown as OpDefinition<Operands, unknown, Operands>);
  const op = (inputs: In, options: Options): Out => {
    const axes = bindAxes(definition.name, (signature ??= parseSignature(definition.signature)), inputs);
    const tape = currentTape();
    const recording = tape !== undefined && tape.follows(inputs);
    const { outputs, saved = {} } = definition.forward(inputs, options, { axes, recording });
    if (recording)
      tape.record(definition as unknown as OpDefinition<Operands, unknown, Operands>, { inputs, options, outputs, saved, axes });
    return outputs;
  };
  return Object.assign(op, { definition });
}
