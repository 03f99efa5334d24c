import { defineOp } from '../op.js';
import { Tensor } from '../tensor.js';

const op = defineOp<{ logits: Tensor; labels: Tensor }, object, { loss: Tensor<'f32'> }>({
  name: 'crossEntropy',
  signature: 'logits: r v, labels: r -> loss: r',
  forward({ logits, labels }, _, { axes, recording }) {
    const loss = Tensor.empty([axes.r!], logits.device);
    const logSumExp = recording ? Tensor.empty([axes.r!], logits.device) : undefined;
    logits.device.run('crossEntropy', {
      rows: axes.r,
      vocabulary: axes.v,
      logits: logits.handle,
      labels: labels.handle,
      loss: loss.handle,
      logSumExp: logSumExp?.handle,
    });
    return { outputs: { loss }, saved: { logSumExp } };
  },
  gradient({ inputs: { logits, labels }, saved, axes }, { loss: dloss }) {
    if (!dloss) return {};
    const dlogits = Tensor.like(logits);
    logits.device.run('crossEntropyBackward', {
      rows: axes.r,
      vocabulary: axes.v,
      logits: logits.handle,
      labels: labels.handle,
      logSumExp: saved.logSumExp!.handle,
      dloss: dloss.handle,
      dlogits: dlogits.handle,
    });
    return { logits: dlogits };
  },
});

/**
 * −log softmax(logits)[label] of each row, in nats: logits (r v), labels (r), i32 → (r). Rows whose label is negative are
 * ignored: loss and gradient 0. A label of v or more rejects the read that depends on it.
 */
export function crossEntropy(logits: Tensor, labels: Tensor): Tensor<'f32'> {
  return op({ logits, labels }, {}).loss;
}
