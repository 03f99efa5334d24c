// Every figure that the project claims about the processor, for this library and for the peers that are here, in one run, taking turns:
//   npm run bench -- [--quick] [--only scan,prefill [--again]] [--peers llama,torch|none] [--threads N]
//     [--runs N] [--out FOLDER]
// Writes FOLDER/results.json and FOLDER/results.md (default: docs/benchmarks; with --quick or --only nowhere) and prints the table; a whole run
// also writes three ratios into the README. With --runs each row is the one of the middle ratio of so many whole runs, with the least and the
// largest ratio beside it. With --again the lines of --only take the place of those in the results that are there.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, type } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Bench } from './bench.mjs';
import { lines } from './lines.mjs';
import { middle } from './measure.mjs';
import { root } from './models.mjs';
import { writeReadme } from './readme.mjs';
import { markdown } from './report.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    again: { type: 'boolean', default: false },
    out: { type: 'string' },
    threads: { type: 'string' },
    runs: { type: 'string', default: '1' },
    peers: { type: 'string' },
  },
});
const wanted = options.only?.split(',') ?? Object.keys(lines);
const unknown = wanted.filter((name) => !lines[name]);
if (unknown.length > 0) {
  console.error(`no line "${unknown.join(', ')}"; known: ${Object.keys(lines).join(', ')}`);
  process.exit(2);
}
const threads = Number(options.threads ?? Math.min(2, availableParallelism()));
if (!Number.isInteger(threads) || threads < 1) {
  console.error(`--threads is ${options.threads}; a whole number from 1 on is needed`);
  process.exit(2);
}
const runs = Number(options.runs);
if (!Number.isInteger(runs) || runs < 1) {
  console.error(`--runs is ${options.runs}; a whole number from 1 on is needed`);
  process.exit(2);
}
const partly = options.quick || (options.only && !options.again);
const out = options.out ? resolve(options.out) : partly ? undefined : join(root, 'docs/benchmarks');
const earlierFile = out && join(out, 'results.json');
if (options.again && !(earlierFile && existsSync(earlierFile))) {
  console.error(`--again puts lines into results that are there; ${earlierFile ?? 'no folder'} has none: run npm run bench first`);
  process.exit(2);
}
const earlier = options.again ? JSON.parse(readFileSync(earlierFile, 'utf8')) : undefined;

const bench = new Bench({ quick: options.quick, threads, peers: options.peers?.split(',') });
const { level } = await bench.ours({ task: 'about' });
const peers = [];
if (bench.llama) peers.push(`node-llama-cpp ${(await bench.llama({ task: 'about' })).version}`);
if (bench.torch) peers.push(`PyTorch ${(await bench.torch({ task: 'about' })).version}`);
const about = {
  date: new Date().toISOString().slice(0, 10),
  command: ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
  processor: cpus()[0]?.model ?? 'unknown processor',
  threads,
  runs,
  system: `${type()} ${release().split('-')[0]}`,
  node: process.versions.node,
  level,
  peers,
  load: loadavg()[0].toFixed(2),
};
async function measure(name) {
  const start = performance.now();
  console.error(`${name} …`);
  try {
    return await lines[name](bench);
  } catch (error) {
    console.error(`  failed: ${error.stack}`);
    return { error: String(error.message).split('\n')[0] };
  } finally {
    console.error(`  ${((performance.now() - start) / 1000).toFixed(0)} s`);
  }
}
const measured = Object.fromEntries(wanted.map((name) => [name, []]));
for (let run = 1; run <= runs; run++) {
  if (runs > 1) console.error(`run ${run} of ${runs}`);
  for (const name of wanted) measured[name].push(await measure(name));
}
const sections = Object.fromEntries(wanted.map((name) => [name, middle(measured[name])]));
await bench.close();
const result = earlier
  ? {
      about: earlier.about,
      again: [...(earlier.again ?? []), { ...about, lines: wanted }],
      sections: { ...earlier.sections, ...sections },
    }
  : { about, sections };
const table = markdown(result);
console.log(table);
if (out) {
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'results.json'), `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(join(out, 'results.md'), `# Results\n\n${table}`);
  console.error(`written: ${join(out, 'results.md')}, results.json`);
  if (!options.out)
    try {
      writeReadme(result);
    } catch (error) {
      console.error(`README.md stays as it is: ${error.message}`);
    }
}
process.exit(Object.values(sections).some((rows) => rows.error) ? 1 : 0);
