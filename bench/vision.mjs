// node bench/vision.mjs [SIDE]: an image of SIDE × SIDE patches (default 32) through a Vision Mamba of the published tiny size (24 blocks, 192
// wide) with random weights, explained by the paper's three maps: seconds, and the peak of device memory beside the model; and what the dense
// way of computing takes, measured on small images and continued (it grows with the cube of the length).
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const from = (name) => import(join(root, `packages/${name}/dist/index.js`));
const { createModel } = await from('model');
const { explain } = await from('explain');
const { attentionView } = await from('attention');

const side = Number(process.argv[2] ?? 32);
const json = { model_type: 'vim', img_size: 224, patch_size: 16, embed_dim: 192, depth: 24, num_classes: 1000 };
const model = createModel(json, { seed: 1 });
const { device } = model;
const noise = (patches) => Float32Array.from({ length: 3 * (16 * patches) ** 2 }, (_, at) => Math.sin(at * at));
const image = { pixels: noise(side), shape: [3, 16 * side, 16 * side] };
const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
console.log(`${side * side} patches, ${model.parameterCount.toLocaleString('en')} parameters (${mebibytes(4 * model.parameterCount)})`);

await explain({ model, input: { images: [{ ...image, pixels: noise(4), shape: [3, 64, 64] }] }, methods: ['raw'], check: false }); // warm
for (const method of ['raw', 'rollout', 'mamba-attribution', 'raw:released', 'rollout:released', 'mamba-attribution:released']) {
  const before = device.memory();
  const begun = performance.now();
  await explain({ model, input: { images: [image] }, methods: [method], check: false });
  const { peak } = device.memory();
  console.log(
    `${method.padEnd(28)} ${((performance.now() - begun) / 1000).toFixed(2)} s, device peak so far ${mebibytes(peak - before.live)}`,
  );
}

/** The dense way for one layer: for every pair of positions the product of the decays between them, a step at a time. */
function dense(delta, A, B, C, [length, channels, states]) {
  const matrix = new Float64Array(length * length * channels);
  for (let i = 0; i < length; i++)
    for (let j = 0; j <= i; j++)
      for (let d = 0; d < channels; d++) {
        let sum = 0;
        for (let n = 0; n < states; n++) {
          let decay = 1;
          for (let k = j + 1; k <= i; k++) decay *= Math.exp(delta[k * channels + d] * A[d * states + n]);
          sum += C[i * states + n] * decay * delta[j * channels + d] * B[j * states + n];
        }
        matrix[(i * length + j) * channels + d] = sum;
      }
  return matrix;
}

const times = [];
for (const patches of [3, 5]) {
  const view = await attentionView(model, model.images(noise(patches), [1, 3, 16 * patches, 16 * patches]));
  const { delta, A, B, C } = view.layer(0).dynamics.forward;
  const numbers = await Promise.all([delta, A, B, C].map((tensor) => tensor.read()));
  const begun = performance.now();
  dense(...numbers, [delta.shape[1], delta.shape[2], A.shape[1]]);
  times.push({ length: delta.shape[1], seconds: (performance.now() - begun) / 1000 });
  view.dispose();
}
const length = side * side + 1;
const cube = times.at(-1).seconds / times.at(-1).length ** 3;
console.log(
  `the dense way, one thread, plain loops: ${times.map(({ length: own, seconds }) => `${seconds.toFixed(2)} s a matrix at L = ${own}`).join(', ')}; ` +
    `continued to L = ${length}: ${(cube * length ** 3).toFixed(0)} s a matrix, 48 matrices; ` +
    `[L, L, D, N] in f32: ${mebibytes(4 * length ** 2 * 384 * 16)} a matrix`,
);
process.exit(0);
