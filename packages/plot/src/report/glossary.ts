import { element } from '../markup.js';

const TERMS: readonly (readonly [string, string])[] = [
  [
    'Mamba',
    'A kind of neural network that reads a text from left to right and carries a memory along: at each step it decides how much to keep of what it read before, and how much of the new piece to write down.',
  ],
  [
    'Token',
    'The piece of text a model reads at a time: a letter, part of a word, or a word. Scores are computed per token and added up per word and per sentence.',
  ],
  ['Layer', 'A model is a stack of layers. Each passes over the whole text and hands its result to the next.'],
  [
    'Hidden attention',
    'How strongly a layer’s result at one place depends on each earlier place. A Mamba layer has no attention inside; but its memory, with its decisions held fixed, works out to exactly such a table, and that is where the maps called “attention” come from.',
  ],
  ['Score', 'The number a map gives to a token or word. Only its size relative to the other scores of the same map means something.'],
  [
    'Logit and probability',
    'A model gives each possible answer a raw number, the logit. From these the probabilities follow: the higher an answer’s logit above the others’, the closer its probability to 100\u00a0%.',
  ],
  ['Bias', 'A constant inside the model that adds to the answer whatever the text says. In maps that add up, its share is listed apart.'],
  [
    'Random words',
    'Taking any words out of a text can change an answer. A map has shown something only if its words change it more than words drawn by lot.',
  ],
  [
    'Paper and released',
    'Some methods exist twice: as the article describes them, and as its published program computes them. The two can differ, so both can be shown.',
  ],
];

/** What is said otherwise on a page about pictures. */
const OF_IMAGES: ReadonlyMap<string, readonly [string, string]> = new Map([
  [
    'Mamba',
    [
      'Vision Mamba and ViT',
      'Two kinds of neural networks for pictures. Both cut the picture into patches. A Vision Mamba reads them one by one, row after row and then back again, and carries a memory along: at each step it decides how much to keep and how much of the new patch to write down. A ViT compares all patches with each other at once.',
    ],
  ],
  [
    'Token',
    [
      'Patch',
      'The piece of a picture a model reads at a time: a small square, named by its row and column. A model may have one more place that belongs to no patch, the class token: there it collects its answer.',
    ],
  ],
  ['Layer', ['Layer', 'A model is a stack of layers. Each passes over the whole picture and hands its result to the next.']],
  [
    'Hidden attention',
    [
      'Hidden attention',
      'How strongly a layer’s result at one place depends on each other place. A ViT layer computes such a table. A Mamba layer has none inside; but its memory, with its decisions held fixed, works out to exactly such a table, and that is where the maps called “attention” come from.',
    ],
  ],
  ['Score', ['Score', 'The number a map gives to a patch. Only its size relative to the other scores of the same map means something.']],
  [
    'Bias',
    [
      'Bias',
      'A constant inside the model that adds to the answer whatever the picture shows. In maps that add up, its share is listed apart, with that of the class token.',
    ],
  ],
  [
    'Random words',
    [
      'Random patches',
      'To remove a patch is to make it black. Making any patches black can change an answer. A map has shown something only if its patches change it more than patches drawn by lot.',
    ],
  ],
]);

/** The words a newcomer may not know, explained; at the foot of the page. */
export function glossary(images = false): string {
  const terms = images ? TERMS.map((term) => OF_IMAGES.get(term[0]) ?? term) : TERMS;
  const list = terms.map(([term, meaning]) => element('div', {}, `<dt>${term}</dt><dd>${meaning}</dd>`)).join('');
  return element('section', { class: 'glossary', 'aria-labelledby': 'glossary' }, `<h2 id="glossary">Words used here</h2><dl>${list}</dl>`);
}
