// What every root script starts with: the package manager, the dependencies, the native addon and the packages, each only
// where something is missing or has changed. A second run takes about two seconds.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { packageManager, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Runs a command in the root and ends this process where it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options, env: { ...process.env, ...quiet, ...options.env } });
  if (result.error) throw result.error;
  if (result.status !== 0) process.exit(result.status ?? 1);
  return result;
}
const quiet = {
  TURBO_TELEMETRY_DISABLED: '1',
  npm_config_update_notifier: 'false',
  npm_config_fund: 'false',
  npm_config_loglevel: 'error',
};

/** pnpm of exactly the version that package.json names: the installed one, or npx fetches it. */
export function pnpm(args, options) {
  const installed = spawnSync('pnpm', ['--version'], { cwd: root, encoding: 'utf8' });
  const [name, version] = packageManager.split('@');
  if (installed.status === 0 && installed.stdout.trim() === version) return run('pnpm', args, options);
  return run('npx', ['--yes', `${name}@${version}`, ...args], options);
}

function checkNode() {
  const needed = engines.node.replace('>=', '');
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [needMajor, needMinor] = needed.split('.').map(Number);
  if (major < needMajor || (major === needMajor && minor < needMinor)) {
    console.error(`Node ${process.versions.node} is too old: Node ${needed} or newer is needed (https://nodejs.org).`);
    process.exit(1);
  }
}

/** Whether `key` differs from what `remember` stored; the stamp lives in node_modules, so a fresh install starts afresh. */
function stamp(name, key) {
  const file = join(root, 'node_modules/.cache/hidden-attention', name);
  const fresh = existsSync(file) && readFileSync(file, 'utf8') === key;
  return {
    fresh,
    remember() {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, key);
    },
  };
}

export function setUp() {
  checkNode();
  const lock = stamp('install', readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8'));
  if (!lock.fresh || !existsSync(join(root, 'node_modules/.modules.yaml'))) {
    console.error('Installing the dependencies …');
    pnpm(['install', '--frozen-lockfile', '--reporter=append-only', '--loglevel=warn']);
    lock.remember();
  }
  console.error('Building what has changed …');
  pnpm(['exec', 'turbo', 'run', 'build', '--output-logs=errors-only', '--log-prefix=none']);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setUp();
