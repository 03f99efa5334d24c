// Copies small excerpts of the held-out texts into test/fixtures: for tests and the demo, where nothing is fetched.
// usage: node excerpts.mjs [--mail FOLDER] [--prose FOLDER] [--out FOLDER]
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fraction, main, outputFolder, writeWhole } from './files.mjs';
import { groupNearDuplicates } from './mail/near-duplicates.mjs';

const SEED = 'excerpt-1';
const MAILS_PER_LABEL = 20;
const MAIL_BYTES = [200, 2500]; // shortest and longest mail of the sample
const PROSE_BYTES = 20_000;
/** Held-out mails that a newcomer can read at a glance. */
const DEMO = { spam: 'spam-1/00052.edb775ef7470f35cd593d07e5a0466a8', ham: 'easy-ham-1/01061.6610124afa2a5844d41951439d1c1068' };
/** Mails with such words stay in the data but out of the repository. */
const UNFIT = /porn|\bsex|xxx|nude|naked|penis|erect|erotic|viagra|\bteen|\badult|fuck|breast/i;

/** The same number of mails of each label, in the order of their seeded hash, one of each group of near-duplicates. */
export function sampleMails(mails, perLabel = MAILS_PER_LABEL) {
  const fit = mails.filter(({ text }) => {
    const bytes = Buffer.byteLength(text);
    return bytes >= MAIL_BYTES[0] && bytes <= MAIL_BYTES[1] && !UNFIT.test(text);
  });
  const sorted = fit.sort((a, b) => fraction(SEED, a.id) - fraction(SEED, b.id));
  const groups = groupNearDuplicates(sorted.map(({ text }) => text));
  const drawn = sorted.filter((_, index) => groups[index] === index);
  return ['ham', 'spam'].flatMap((label) => drawn.filter((mail) => mail.label === label).slice(0, perLabel));
}

/** The first whole paragraphs of at most `bytes` bytes. */
export function leadingParagraphs(text, bytes = PROSE_BYTES) {
  const kept = [];
  let size = 0;
  for (const paragraph of text.trim().split('\n\n')) {
    size += Buffer.byteLength(paragraph) + 2;
    if (size > bytes) break;
    kept.push(paragraph);
  }
  return `${kept.join('\n\n')}\n`;
}

async function excerpts() {
  const { values } = parseArgs({
    options: {
      mail: { type: 'string', default: outputFolder('mail') },
      prose: { type: 'string', default: outputFolder('prose') },
      out: { type: 'string', default: fileURLToPath(new URL('../test/fixtures', import.meta.url)) },
    },
  });
  const mails = (await readFile(join(values.mail, 'heldout.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  await writeWhole(
    join(values.out, 'mail-sample.jsonl'),
    sampleMails(mails)
      .map((mail) => `${JSON.stringify(mail)}\n`)
      .join(''),
  );
  for (const [label, wanted] of Object.entries(DEMO)) {
    const mail = mails.find(({ id }) => id === wanted);
    if (!mail) throw new Error(`excerpts: ${wanted} is not among the held-out mails; choose another for demo-${label}.txt`);
    await writeWhole(join(values.out, `demo-${label}.txt`), mail.text); // no line end: the very text of the data
  }
  await writeWhole(join(values.out, 'prose-sample.txt'), leadingParagraphs(await readFile(join(values.prose, 'heldout.txt'), 'utf8')));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(excerpts);
