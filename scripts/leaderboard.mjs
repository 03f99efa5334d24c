// node scripts/leaderboard.mjs: runs the committed sweep as a user does, from installed packages and with the package of a third party
// beside them, and writes docs/evaluate/leaderboard.md. It goes on where it was stopped. Its data: node packages/zoo/recipes/mail/prepare.mjs
// and node packages/zoo/recipes/images/prepare.mjs. `--render` writes the page again from the committed figures.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import prettier from 'prettier';
import { setUp } from './setup.mjs';
import { install, installThirdParty, root } from './tarballs.mjs';

const sweeps = join(root, 'packages/evaluate/sweeps');
const docs = join(root, 'docs/evaluate');
const figures = join(docs, 'leaderboard.json');

/** The page as it should be: its words, and the tables out of the committed figures. */
export async function leaderboardPage() {
  const { leaderboardMarkdown } = await import(join(root, 'packages/plot/dist/index.js'));
  const words = readFileSync(join(sweeps, 'leaderboard.md'), 'utf8');
  const tables = leaderboardMarkdown(JSON.parse(readFileSync(figures, 'utf8')));
  const path = join(docs, 'leaderboard.md');
  return prettier.format(`${words}\n${tables}`, { ...(await prettier.resolveConfig(path)), filepath: path });
}

function runSweep() {
  const work = join(process.env.HIDDEN_ATTENTION_CACHE ?? join(homedir(), '.cache/hidden-attention'), 'leaderboard');
  const results = join(work, 'results');
  setUp();
  mkdirSync(work, { recursive: true });
  for (const name of readdirSync(work)) if (name !== 'results') rmSync(join(work, name), { recursive: true });
  install(work);
  installThirdParty('third-party-explainer', work);
  for (const name of ['sweeps', 'models']) cpSync(join(root, 'packages/evaluate', name), join(work, name), { recursive: true });
  const command = join(work, 'node_modules/.bin/hidden-attention');
  const { status } = spawnSync(command, ['evaluate', 'sweeps/leaderboard.json', '--out', results], { cwd: work, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  const summary = JSON.parse(readFileSync(join(results, 'summary.json'), 'utf8'));
  const tables = summary.tables.map((table) => ({ ...table, charts: [] })); // curves are in the report
  // a method a line
  writeFileSync(figures, `${JSON.stringify({ ...summary, tables }).replaceAll('{"method"', '\n{"method"')}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!process.argv.includes('--render')) runSweep();
  writeFileSync(join(docs, 'leaderboard.md'), await leaderboardPage());
}
