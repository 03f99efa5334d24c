// Runs test runners one after the other, whatever fails, and adds up what they counted.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './setup.mjs';

export class Counts {
  passed = 0;
  failed = 0;
  skipped = 0;

  /** A step that either works or does not, such as a type check: one test. */
  step(name, command, args, options = {}) {
    console.log(`\n=== ${name}`);
    const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options, env: { ...process.env, ...options.env } });
    if (result.status === 0) this.passed++;
    else this.fail(name, result);
    return result.status === 0;
  }

  /** The C++ tests: the line `native: N passed, N failed`. */
  native(name, binary, options = {}) {
    console.log(`\n=== ${name}`);
    const result = spawnSync(binary, options.args ?? [], {
      cwd: root,
      encoding: 'utf8',
      ...options,
      env: { ...process.env, ...options.env },
    });
    process.stdout.write(result.stdout ?? '');
    process.stderr.write(result.stderr ?? '');
    const [, passed, failed] = /native: (\d+) passed, (\d+) failed/.exec(result.stdout ?? '') ?? [];
    this.passed += Number(passed ?? 0);
    this.failed += Number(failed ?? 0);
    if (result.status !== 0 && !Number(failed)) this.fail(name, result);
  }

  /** vitest: the counts of its JSON report. */
  vitest(name, args = [], options = {}) {
    console.log(`\n=== ${name}`);
    const folder = mkdtempSync(join(tmpdir(), 'hidden-attention-'));
    const report = join(folder, 'report.json');
    const result = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules/vitest/vitest.mjs'),
        'run',
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${report}`,
        ...args,
      ],
      { cwd: root, stdio: 'inherit', ...options, env: { ...process.env, ...options.env } },
    );
    let failed = 0;
    if (existsSync(report)) {
      const counts = JSON.parse(readFileSync(report, 'utf8'));
      // a file that does not load has no tests, yet it has failed
      const broken = counts.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length;
      failed = counts.numFailedTests + broken;
      this.passed += counts.numPassedTests;
      this.failed += failed;
      this.skipped += counts.numPendingTests;
    }
    rmSync(folder, { recursive: true, force: true });
    if (result.status !== 0 && failed === 0) this.fail(name, result);
  }

  fail(name, result) {
    this.failed++;
    console.error(`FAILED: ${name} (${result.error?.message ?? `exit status ${result.status ?? result.signal}`})`);
  }

  /** Prints the closing line and ends the process. */
  close() {
    console.log(`\n${this.passed} passed, ${this.failed} failed${this.skipped ? `, ${this.skipped} skipped` : ''}`);
    process.exit(this.failed > 0 || this.passed === 0 ? 1 : 0);
  }
}
