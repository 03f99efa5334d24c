// npm test, the type check and lint, the demo, then test:long as far as the time allows; the counts of all of them together.
import { spawn } from 'node:child_process';
import { root } from './setup.mjs';

const limit = 72 * 60_000;
const started = Date.now();
let passed = 0;
let failed = 0;
let skipped = 0;

/** Runs a root script, shows what it prints and adds its closing line, or itself as one test where it has none. */
function script(name, args, minutes) {
  console.log(`\n##### npm run ${name}`);
  return new Promise((resolve) => {
    const child = spawn('npm', ['run', '--silent', name, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    let tail = '';
    child.stdout.on('data', (chunk) => {
      process.stdout.write(chunk);
      tail = (tail + chunk).slice(-4000);
    });
    const timer = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), minutes * 60_000);
    child.on('close', (status) => {
      clearTimeout(timer);
      const counted = [...tail.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)].at(-1);
      if (counted) {
        passed += Number(counted[1]);
        failed += Number(counted[2]);
        skipped += Number(counted[3] ?? 0);
      }
      if (status === 0 && !counted) passed++;
      if (status !== 0 && !(counted && Number(counted[2]) > 0)) {
        failed++;
        console.error(`FAILED: npm run ${name} (exit status ${status})`);
      }
      resolve();
    });
  });
}

const left = () => (limit - (Date.now() - started)) / 60_000;
await script('test', [], 40);
await script('typecheck', [], 10);
await script('lint', [], 5);
await script('demo', [], 10);
if (left() > 8) await script('test:long', ['--', '--minutes', String(Math.floor(Math.min(60, left()) / 3))], left());
else console.log('\nLeft out for want of time: npm run test:long');
console.log(`\n${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
