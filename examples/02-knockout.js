// Prints through which layers a language model reads the last four characters: attention to them is cut, two layers at a time.
import { knockoutWindows } from '@hidden-attention/explain';
import { loadZoo } from 'hidden-attention';

const { model, tokenizer } = await loadZoo('prose');
const { ids } = tokenizer.encode('The captain of the ship was Aha');
const { target, windows } = await knockoutWindows({ model, input: ids, edges: [{ from: [-5, -4, -3, -2], to: [-1] }], width: 2 });
console.log(`the next character: ${JSON.stringify(tokenizer.tokenText(target))}`);
for (const { layers, probability } of windows)
  console.log(`  layers ${layers.join(' and ')} cut: ${probability.before.toFixed(3)} → ${probability.after.toFixed(3)}`);
