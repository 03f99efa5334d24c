import { attentionView, audit, rollout } from '@hidden-attention/attention';
import { createModel } from '@hidden-attention/model';

const model = createModel({ model_type: 'mamba', vocab_size: 256, hidden_size: 32, num_hidden_layers: 2 });
const ids = [...new TextEncoder().encode('The cat sat on the mat.')];
const view = await attentionView(model, [ids]);

// what the last position reads of every position: the mean over channels, then channels 3 and 5 (batch, channels, positions)
const mean = await view.layer(-1).row('last').read();
const channels = await view
  .layer(-1)
  .row('last', { channels: [3, 5] })
  .read();
// the whole block, convolution, skip and gate included; one matrix only because it is asked for
const matrix = view.layer(0).block().matrix({ reduce: 'meanAbs' });
// how positions flow through all layers to the last one, and how far the view is from the model
const { data } = await rollout(view);
const { worst } = await audit(view);
console.log(mean.length, channels.length, matrix.shape, data.length, worst < 1e-5);
view.dispose();
