// What simple methods reach on the mail data: naive Bayes and logistic regression on word 1-2-grams. Prints JSON.
// usage: node baselines.mjs [--data FOLDER] [--bytes N]     N: every text is cut to its first N bytes, as a model may see it
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { main, outputFolder } from '../files.mjs';
import { cutBytes, grams, row, tfIdf, vocabulary } from './features.mjs';
import { trainLogisticRegression } from './logistic-regression.mjs';
import { trainNaiveBayes } from './naive-bayes.mjs';

const SMOOTHINGS = [1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001];
const PENALTIES = [1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001];
const binary = ({ features }) => ({ features, counts: new Float64Array(features.length).fill(1) });
const plain = (row) => row;

/**
 * Fits both methods with every setting on `train`, picks each method's setting by accuracy on `validation` (then by log
 * loss), and measures it on `heldout`. @param parts each part a list of { text, label: "ham" | "spam" }
 */
export function measure({ train, validation, heldout }) {
  const counted = train.map(({ text }) => grams(text));
  const ids = vocabulary(counted);
  const size = ids.size;
  const rows = {
    train: counted.map((counts) => row(counts, ids)),
    validation: validation.map(({ text }) => row(grams(text), ids)),
    heldout: heldout.map(({ text }) => row(grams(text), ids)),
  };
  const labels = Object.fromEntries(
    Object.entries({ train, validation, heldout }).map(([part, list]) => [part, list.map(({ label }) => Number(label === 'spam'))]),
  );
  const weighted = tfIdf(rows.train, size);
  const candidates = (settings, weighings, fit) =>
    settings.flatMap((setting) =>
      weighings.map(([weighing, weigh]) => {
        const classify = fit(rows.train.map(weigh), labels.train, setting);
        return {
          setting,
          weighing,
          score: (part) =>
            score(
              rows[part].map((row) => classify(weigh(row))),
              labels[part],
            ),
        };
      }),
    );
  return {
    features: size,
    majority: score(
      labels.heldout.map(() => -1),
      labels.heldout,
    ).accuracy,
    naiveBayes: best(
      candidates(
        SMOOTHINGS,
        [
          ['counts', plain],
          ['binary', binary],
        ],
        (rows, labels, smoothing) => trainNaiveBayes(rows, labels, { size, smoothing }),
      ),
    ),
    logisticRegression: best(
      candidates(PENALTIES, [['tf-idf', weighted]], (rows, labels, penalty) => trainLogisticRegression(rows, labels, { size, penalty })),
    ),
  };
}

/** The candidate of the best validation accuracy, then of the least log loss, with its figures on the held-out part. */
function best(candidates) {
  const scored = candidates.map((candidate) => ({ ...candidate, validation: candidate.score('validation') }));
  scored.sort((a, b) => b.validation.accuracy - a.validation.accuracy || a.validation.logLoss - b.validation.logLoss);
  const [{ setting, weighing, validation, score: scoreOf }] = scored;
  return { setting, weighing, validationAccuracy: validation.accuracy, ...scoreOf('heldout') };
}

/** @param {number[]} logOdds of spam @param {number[]} labels 1 for spam */
function score(logOdds, labels) {
  const wrong = (label) => logOdds.filter((odds, index) => labels[index] === label && Number(odds > 0) !== label).length;
  const [hamAsSpam, spamAsHam] = [wrong(0), wrong(1)];
  const logLoss =
    logOdds.reduce((sum, odds, index) => sum + Math.log1p(Math.exp(Math.min(labels[index] ? -odds : odds, 700))), 0) / labels.length;
  return { accuracy: 1 - (hamAsSpam + spamAsHam) / labels.length, messages: labels.length, hamAsSpam, spamAsHam, logLoss };
}

async function baselines() {
  const { values } = parseArgs({ options: { data: { type: 'string', default: outputFolder('mail') }, bytes: { type: 'string' } } });
  const bytes = values.bytes === undefined ? Infinity : Number(values.bytes);
  if (!(bytes >= 1)) throw new Error(`baselines: --bytes needs a number of bytes of at least 1, got "${values.bytes}"`);
  const parts = {};
  for (const part of ['train', 'validation', 'heldout']) {
    const lines = (await readFile(join(values.data, `${part}.jsonl`), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    parts[part] = lines.map(({ text, label }) => ({ text: cutBytes(text, bytes), label }));
  }
  console.log(JSON.stringify({ data: values.data, bytes: values.bytes === undefined ? 'all' : bytes, ...measure(parts) }, null, 2));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(baselines);
