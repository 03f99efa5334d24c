// Prints, word by word, what made a shipped model take an e-mail for spam, and whether the shares add up to its answer.
import { explain, loadZoo } from 'hidden-attention';

const { model, tokenizer } = await loadZoo('mail');
const [{ text, target, maps }] = await explain({
  model,
  tokenizer,
  input: 'Dear winner, claim your free prize today! Kind regards, Anna',
  methods: ['decomposition', 'kernelshap'],
  check: false,
});
console.log(`${target.label}, probability ${(100 * target.probability).toFixed(1)} %`);
for (const { title, words } of maps) {
  console.log(title);
  for (const { start, end, score } of words) console.log(`  ${text.slice(start, end).padEnd(10)} ${score.toFixed(3)}`);
}
