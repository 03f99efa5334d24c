import type { OpDefinition, Operands } from './op.js';
import { currentTape, record, unrecorded } from './tape.js';
import { scope } from './scope.js';
import type { Tensor } from './tensor.js';

/**
 * Runs `body` and keeps nothing of it for a gradient but its inputs and results: the gradient runs it again (Chen et al. 2016,
 * "Training deep nets with sublinear memory cost"). Rules apply inside as everywhere.
 * @param inputs every tensor that `body` uses, parameters and constants included: they are kept alive for its second run
 * @param body must give the same results when run again; tensors that it makes and does not return are freed
 */
export function recomputed<Out extends Operands>(inputs: Iterable<Tensor>, body: () => Out): Out {
  const used = [...new Set(inputs)];
  const operands: Operands = Object.fromEntries(used.entries());
  const tape = currentTape();
  if (!tape?.follows(operands)) return body();
  const outputs = unrecorded(() => scope(body));
  tape.record(again(used, body), { inputs: operands, options: {}, outputs, saved: {}, axes: {} });
  return outputs;
}

/** What the tape keeps in place of the ops of `body`. */
function again(inputs: readonly Tensor[], body: () => Operands): OpDefinition<Operands, unknown, Operands> {
  return {
    name: 'recomputed',
    signature: '* -> *',
    forward: () => ({ outputs: body() }),
    gradient(_, dOutputs, needs, rules) {
      const asked = inputs.filter((_, i) => needs(String(i)));
      return scope(() => {
        const { value, tape } = record(asked, body);
        try {
          const seeds = Object.entries(dOutputs).flatMap(([name, dOutput]): [Tensor, Tensor][] =>
            value[name] && dOutput && tape.follows({ output: value[name] }) ? [[value[name], dOutput]] : [],
          );
          const gradients = tape.gradients(seeds, asked, rules);
          return Object.fromEntries(inputs.flatMap((input, i) => (needs(String(i)) ? [[i, gradients[asked.indexOf(input)]!]] : [])));
        } finally {
          tape.dispose();
        }
      });
    },
  };
}
