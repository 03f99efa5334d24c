// Writes the model card of a trained model: node packages/zoo/recipes/card.mjs NAME TRAINED_FOLDER HELD_OUT_JSON COMMIT [MORE]
// Copies config.json, model.safetensors and training.json into packages/zoo/models/NAME beside it. HELD_OUT_JSON is what evaluate.mjs printed.
// MORE: of a model of images that was trained twice, the folder of the first training; of long sequences, what evaluate.mjs printed of the
// counterpart of the same size, and the folder where that was trained.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sequenceCard } from './card-sequences.mjs';

const [name, trained, heldOutText, commit, ...more] = process.argv.slice(2);
const folder = new URL(`../models/${name}/`, import.meta.url).pathname;
const read = (path) => JSON.parse(readFileSync(path, 'utf8'));
const training = read(join(trained, 'training.json'));
const heldOut = JSON.parse(heldOutText);
const percent = (share) => `${(100 * share).toFixed(2)} %`;
mkdirSync(folder, { recursive: true });
for (const file of ['config.json', 'model.safetensors', 'training.json', 'curve.svg', 'preprocessor_config.json', 'tokenizer.json'])
  if (existsSync(join(trained, file))) copyFileSync(join(trained, file), join(folder, file));

const { config: recipe, seconds, tokens, parameters, steps } = training;
const images = /^(fashion|scenes)-(vim|vit)$/.exec(name);
const sequences = /^(pixels|listops)-(mamba|transformer)$/.exec(name);
const sizes =
  images || sequences
    ? ''
    : `${recipe.model.num_hidden_layers} layers, hidden size ${recipe.model.hidden_size}, state size ${recipe.model.state_size}, ${parameters.toLocaleString('en')} parameters`;
const how =
  images || sequences
    ? ''
    : `Trained with this library by [\`recipe.json\`](../../recipes/${name}/recipe.json): ${steps.toLocaleString('en')} steps of ${recipe.batchSize} × ${recipe.length} bytes at most, ${tokens.toLocaleString('en')} bytes in all, ${seconds.toLocaleString('en')} s on two shared cores (other work ran beside it), at commit ${commit}. The loss: [\`curve.svg\`](curve.svg); the recipe with its defaults and the figures during training: [\`training.json\`](training.json).`;
/** The card of a classifier of images. */
function imageCard() {
  const [, data, kind] = images;
  const { epochs, batchSize } = recipe;
  const model = read(join(trained, 'config.json'));
  const what =
    kind === 'vim'
      ? `Vision Mamba, ${model.depth} blocks, width ${model.embed_dim}, state size ${model.d_state}, the class token in the middle`
      : `ViT, ${model.depth} blocks, width ${model.embed_dim}, ${model.num_heads} heads, the class token in front`;
  const grid = model.img_size / model.patch_size;
  const [earlier] = more;
  const first = earlier && read(join(earlier, 'training.json'));
  const passes = epochs ? `, ${epochs} passes over` : ' out of';
  const begun = first
    ? `first by [\`recipe.json\`](../../recipes/${name}/recipe.json), ${first.steps.toLocaleString('en')} steps in ${first.seconds.toLocaleString('en')} s, then on from there by [\`continue.json\`](../../recipes/${name}/continue.json)`
    : `by [\`recipe.json\`](../../recipes/${name}/recipe.json)`;
  const story = `Trained with this library ${begun}: ${steps.toLocaleString('en')} steps of ${batchSize} images${passes} the training images less the 5 % that chose the weights, ${seconds.toLocaleString('en')} s on one thread of two shared cores (other work ran beside it), at commit ${commit}.${first ? ' The 5 % that chose the weights are others in the second training, and the first had seen most of them; neither saw test pictures.' : ''} The loss: [\`curve.svg\`](curve.svg); the recipe with its defaults and the figures during training: [\`training.json\`](training.json).`;
  const about = {
    fashion: {
      does: 'Says which of ten garments a grey picture of 28 × 28 pixels shows.',
      data: 'Fashion-MNIST (Xiao et al. 2017), 60,000 training and 10,000 test pictures, MIT licence',
      limits: 'The pictures are product photographs on black: a model to look into, not one to use.',
    },
    scenes: {
      does: 'Says which of ten garments a scene of 56 × 56 pixels shows, among handwritten digits on cloth. Where the garment is, is known: masks come with the scenes.',
      data: '20,000 scenes composed of training pictures of Fashion-MNIST and MNIST, 2,000 test scenes of test pictures, every object with its mask',
      limits: 'The scenes are made up: they are there to ask whether a map finds the garment, not to classify photographs.',
    },
  }[data];
  const classes = Object.entries(heldOut.byClass);
  return `# zoo:${name}

${about.does} ${what}, ${parameters.toLocaleString('en')} parameters; patches of ${model.patch_size} × ${model.patch_size} pixels, a grid of ${grid} × ${grid}.

${story}

**Data.** ${about.data}; \`node packages/zoo/recipes/images/prepare.mjs\`.

| on ${heldOut.heldout.toLocaleString('en')} test pictures | accuracy |
| --- | ---: |
| **all** | **${percent(heldOut.accuracy)}** |
${classes.map(([label, share]) => `| ${label} | ${percent(share)} |`).join('\n')}

${about.limits}

Figures: \`node packages/zoo/recipes/evaluate.mjs ${name} packages/zoo/models/${name}\`.
`;
}

const cards = {
  mail: () => `# zoo:mail

Says whether an e-mail is ham or spam, from its bytes: the subject and the first ${recipe.length.toLocaleString('en')} bytes. Mamba-1, ${sizes}; the mean over
positions is classified.

${how}

**Data.** The SpamAssassin public corpus (2002–2003), easy and hard ham, spam 1 and 2; headers removed except the subject, de-duplicated, near-duplicates on
one side of the split; ${'`'}node packages/zoo/recipes/mail/prepare.mjs${'`'}. Licence of the texts: database PDDL 1.0, contents CC0 1.0.

| on ${heldOut.heldout} held-out mails | accuracy | ham taken for spam | spam taken for ham |
| --- | ---: | ---: | ---: |
| **this model**, first ${heldOut.bytes.toLocaleString('en')} bytes | **${percent(heldOut.accuracy)}** | ${heldOut.hamTakenForSpam} | ${heldOut.spamTakenForHam} |
| naive Bayes on word 1–2-grams, whole text | 97.16 % | 2 | 22 |
| logistic regression on word 1–2-grams, whole text | 97.40 % | 7 | 15 |
| always ham | 68.99 % | 0 | 262 |

It ${heldOut.accuracy >= 0.974 ? 'beats' : 'misses'} the better baseline by ${Math.abs(100 * (heldOut.accuracy - 0.974)).toFixed(2)} points (one mail is 0.12 points). The mails are twenty years old, in English, and mostly from
developers' mailing lists: this is a model to look into, not a filter to use. It has learnt the corpus's channels as well as its content.

Figures: ${'`'}node packages/zoo/recipes/evaluate.mjs mail packages/zoo/models/mail${'`'} and ${'`'}node packages/zoo/recipes/mail/baselines.mjs${'`'}.
`,
  prose: () => `# zoo:prose

Continues English prose of the nineteenth century, byte by byte. Mamba-1, ${sizes}.

${how}

**Data.** Moby-Dick (1851) and the State of the Union addresses of 1790–1880, 5.1 MB; held out are whole chapters and addresses, 165 KB;
${'`'}node packages/zoo/recipes/prose/prepare.mjs${'`'}. All of it is in the public domain (package licences: PDDL 1.0, CC0 1.0).

| on the held-out text | bits per byte |
| --- | ---: |
| **this model**, its state carried through | **${heldOut.bitsPerByte.toFixed(3)}** |
| adaptive order-5 context model, interpolated modified Kneser-Ney | 1.735 |
| adaptive order-5 context model, PPM with escape D | 1.762 |
| ${'`'}xz -9${'`'} of training and held-out text, less training text | 2.055 |

The model does not learn on the held-out text; the context models do. 2 % of the held-out bytes lie in passages that the training text also has
(presidents quote themselves).

Figures: ${'`'}node packages/zoo/recipes/evaluate.mjs prose packages/zoo/models/prose${'`'} and ${'`'}node packages/zoo/recipes/prose/baselines.mjs${'`'}.
`,
};
const card = images ? imageCard() : sequences ? sequenceCard({ name, training, heldOut, commit, more, folder: trained }) : cards[name]();
writeFileSync(join(folder, 'README.md'), card);
console.log(join(folder, 'README.md'));
