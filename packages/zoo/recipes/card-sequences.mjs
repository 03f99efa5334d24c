// The cards of the models of long sequences, each with the transformer of the same size beside it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const percent = (share) => `${(100 * share).toFixed(2)} %`;
const number = (value) => value.toLocaleString('en');
const read = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** What each card says of its own task. */
const tasks = {
  pixels: {
    title:
      'Says which of ten garments a grey picture of 28 × 28 pixels shows, reading it pixel by pixel from its upper left corner: a causal Mamba over 784 positions',
    data: 'Fashion-MNIST (Xiao et al. 2017), 60,000 training and 10,000 test pictures, MIT licence; `node packages/zoo/recipes/images/prepare.mjs`',
    rows: (heldOut) => [[`${number(heldOut.heldout)} test pictures, 784 positions`, heldOut.accuracy]],
    batch: 'images',
    limits:
      'Maps have a score for each pixel. The mean over positions is classified, so what a map says about the answer is the mean over all of them.',
  },
  listops: {
    title:
      'Gives the value of nested lists of operations on digits, `[MAX 2 [MIN 7 4 ] 1 ]`: a causal Mamba that reads up to 2,000 symbols, trained on up to 500',
    data: 'Generated (`expressions.mjs` beside the recipe), 60,000 training expressions of 5 to 500 symbols, each value as often as the others; `node packages/zoo/recipes/listops-mamba/prepare.mjs`',
    rows: ({ test, long }) => [
      [`${number(test.examples)} expressions of 5 to 500 symbols`, test.accuracy],
      ...['up to 20', 'up to 100', 'up to 500'].map((range) => [`of these ${range}`, test[range]]),
      [`${number(long.examples)} expressions of 1,600 to 2,000 symbols`, long.accuracy],
    ],
    batch: 'expressions',
    limits:
      'Where one operand decides the value alone, it is known: each line of the test files names it. Expressions of 1,600 symbols and more are four times as long as any that it was trained on.',
  },
};

/** The card of `pixels-mamba` or `listops-mamba`; `more`: the transformer's figures, and the folder where it was trained. */
export function sequenceCard({ name, training, heldOut, commit, more: [otherText, otherFolder], folder }) {
  const task = tasks[name.split('-')[0]];
  const other = otherText && { heldOut: JSON.parse(otherText), training: read(join(otherFolder, 'training.json')) };
  const model = read(join(folder, 'config.json'));
  const [layers, width] = [model.num_hidden_layers ?? model.depth, model.hidden_size ?? model.embed_dim];
  const rows = task.rows(heldOut).map(([what, share], i) => {
    const beside = other ? ` ${percent(task.rows(other.heldOut)[i][1])} |` : '';
    return `| ${what} | **${percent(share)}** |${beside}`;
  });
  const head = `| accuracy on | this model |${other ? ` transformer of ${number(other.training.parameters)} parameters |` : ''}`;
  const rule = `| --- | ---: |${other ? ' ---: |' : ''}`;
  const recipe = `[\`recipe.json\`](../../recipes/${name.replace('mamba', 'transformer')}/recipe.json)`;
  const compared = other
    ? `The transformer (${recipe}) saw the same data in as many steps (${number(other.training.seconds)} s); it is not shipped.`
    : `The transformer of the same size to compare with (${recipe}) was not trained yet.`;
  return `# zoo:${name}

${task.title}. ${layers} layers, width ${width}, ${number(training.parameters)} parameters.

Trained with this library by [\`recipe.json\`](../../recipes/${name}/recipe.json): ${number(training.steps)} steps of ${training.config.batchSize} ${task.batch}, ${number(training.seconds)} s on one thread of two shared cores (other work ran beside it), at commit ${commit}. The loss: [\`curve.svg\`](curve.svg); the recipe with its defaults and the figures during training: [\`training.json\`](training.json).

**Data.** ${task.data}.

${head}
${rule}
${rows.join('\n')}

${compared} One in ten would be right by chance.

${task.limits}

Figures: \`node packages/zoo/recipes/evaluate.mjs ${name} packages/zoo/models/${name}\`.
`;
}
