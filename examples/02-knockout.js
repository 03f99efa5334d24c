// Prints through which layer a spam filter's answer hangs on a word: attention to the word is cut, in one layer at a time.
import { knockoutWindows } from '@hidden-attention/explain';
import { loadZoo } from 'hidden-attention';

const text = 'The book is free for our members until Sunday.';
const { model, tokenizer } = await loadZoo('mail');
const { ids } = tokenizer.encode(text); // a token a byte
const percent = (share) => `${(100 * share).toFixed(1)} %`.padStart(7);
for (const word of ['book', 'free', 'members']) {
  const from = Array.from(word, (_, i) => text.indexOf(word) + i);
  const to = [...ids.keys()].filter((position) => !from.includes(position));
  const { target, windows } = await knockoutWindows({ model, input: ids, edges: [{ from, to }] });
  console.log(`${model.config.head.labels[target]} ${percent(windows[0].probability.before)}; nobody reads "${word}" in`);
  for (const { layers, probability } of windows) console.log(`  layer ${layers[0]}: ${percent(probability.after)}`);
}
