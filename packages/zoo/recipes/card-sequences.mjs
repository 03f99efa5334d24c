// The cards of the models of long sequences, each with its counterpart beside it: the transformer, or the Mamba, of the same size.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const number = (value) => value.toLocaleString('en');
const read = (path) => JSON.parse(readFileSync(path, 'utf8'));

const kinds = {
  mamba: { pixels: 'a causal Mamba', listops: 'a causal Mamba', other: 'transformer' },
  transformer: { pixels: 'a vision transformer', listops: 'a transformer with rotary positions', other: 'mamba' },
};

/** What each card says of its own task; `rows`: what was measured, and its accuracy in a report of evaluate.mjs. */
const tasks = {
  pixels: {
    title: (kind) =>
      `Says which of ten garments a grey picture of 28 × 28 pixels shows, reading it pixel by pixel, 784 of them: ${kinds[kind].pixels} with patches of one pixel`,
    data: 'Fashion-MNIST (Xiao et al. 2017), 60,000 training and 10,000 test pictures, MIT licence; `node packages/zoo/recipes/images/prepare.mjs`',
    rows: ({ heldout, enlarged }) => [
      [`${number(heldout)} test pictures, 784 positions`, (report) => report.accuracy],
      [
        `${number(enlarged.heldout)} of them enlarged, ${number(enlarged.positions)} positions, longer than any learnt`,
        (report) => report.enlarged.accuracy,
      ],
    ],
    baselines: () => [['always one class', () => 0.1]],
    batch: 'images',
    limits: () =>
      'Maps have a score for each pixel. The mean over positions is classified, so what a map says about the answer is the mean over all of them.',
  },
  listops: {
    title: (kind) =>
      `Gives the value of nested lists of operations on digits, \`[MAX 2 [MIN 7 4 ] 1 ]\`: ${kinds[kind].listops} that reads up to 2,000 symbols, trained on up to 500`,
    data: 'Generated (`expressions.mjs` beside the recipe), 60,000 training expressions of 5 to 500 symbols, more of them short than long, each value as often as the others; `node packages/zoo/recipes/listops-mamba/prepare.mjs`',
    rows: ({ test, long }) => [
      [`${number(test.examples)} expressions of 5 to 500 symbols`, ({ test: part }) => part.accuracy],
      ...['up to 20', 'up to 100', 'up to 500'].flatMap((range, at) =>
        ['flat', 'nested'].map((kind) => [
          `of these ${kind}, ${at === 0 ? range : `${[21, 101][at - 1]} to ${range.slice(6)}`} symbols`,
          ({ test: part }) => part[`${range}, ${kind}`],
        ]),
      ),
      [`${number(long.examples)} expressions of 1,600 to 2,000 symbols, longer than any learnt`, ({ long: part }) => part.accuracy],
      ...['flat', 'nested'].map((kind) => [`of these ${kind}`, ({ long: part }) => part[`up to 2000, ${kind}`]]),
    ],
    baselines: (report) =>
      Object.keys(report.test.baselines).map((name) => [
        name,
        (rowOf) => rowOf({ test: report.test.baselines[name], long: report.long.baselines[name] }),
      ]),
    batch: 'expressions',
    limits: ({ test }) =>
      (test['up to 500'] < test.baselines['own digits']['up to 500']
        ? 'Beyond 100 symbols the rule “own digits” is right more often, being always right about flat lists: the model was trained for minutes, mostly on short expressions. '
        : '') +
      '“All digits” applies the outermost operation to every digit wherever it stands, “own digits” to the operands that are digits themselves: what can be had without reading lists within lists. Where one operand decides the value alone, it is known: each line of the test files names it.',
  },
};

/** The card of a model; `more`: what evaluate.mjs printed of its counterpart, and the folder where that was trained. */
export function sequenceCard({ name, training, heldOut, commit, more: [otherText, otherFolder], folder }) {
  const [data, kind] = name.split('-');
  const task = tasks[data];
  const other = {
    name: `${data}-${kinds[kind].other}`,
    heldOut: JSON.parse(otherText),
    training: read(join(otherFolder, 'training.json')),
  };
  const model = read(join(folder, 'config.json'));
  const [layers, width] = [model.num_hidden_layers ?? model.depth, model.hidden_size ?? model.embed_dim];
  const baselines = task.baselines(heldOut);
  const rows = task.rows(heldOut).map(([what, accuracy]) => {
    const cells = [
      `**${percent(accuracy(heldOut))}**`,
      percent(accuracy(other.heldOut)),
      ...baselines.map(([, of]) => percent(of(accuracy))),
    ];
    return `| ${what} | ${cells.join(' | ')} |`;
  });
  const heads = ['accuracy on', 'this model', `[\`zoo:${other.name}\`](../${other.name}/README.md)`, ...baselines.map(([title]) => title)];
  return `# zoo:${name}

${task.title(kind)}. ${layers} layers, width ${width}, ${number(training.parameters)} parameters.

Trained with this library by [\`recipe.json\`](../../recipes/${name}/recipe.json): ${number(training.steps)} steps of ${training.config.batchSize} ${task.batch}, ${number(training.seconds)} s on one thread of two shared cores (other work ran beside it), at commit ${commit}. Its counterpart, \`zoo:${other.name}\`, has ${number(other.training.parameters)} parameters and saw the same data in as many steps, ${number(other.training.seconds)} s. The loss: [\`curve.svg\`](curve.svg); the recipe with its defaults and the figures during training: [\`training.json\`](training.json).

**Data.** ${task.data}.

| ${heads.join(' | ')} |
| --- | ${heads
    .slice(1)
    .map(() => '---:')
    .join(' | ')} |
${rows.join('\n')}

${task.limits(heldOut)}

Figures: \`node packages/zoo/recipes/evaluate.mjs ${name} packages/zoo/models/${name}\`.
`;
}
