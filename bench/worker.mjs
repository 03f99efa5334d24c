// A worker is a process that holds one program to be measured: it answers each line of JSON that names a task with one line of JSON,
// {ms, …} of one run or {error}. So runs of several programs can take turns while each keeps what it has loaded.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export class Worker {
  #process;
  #lines;

  constructor(command, args, env = {}) {
    this.#process = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
    this.#process.on('error', () => {}); // seen as an end of its output
    this.#process.stdin.on('error', () => {});
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** What a task gives; throws what went wrong there. */
  async ask(task) {
    this.#process.stdin.write(`${JSON.stringify(task)}\n`);
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`the worker ended during ${JSON.stringify(task)}`);
      if (!value.startsWith('{')) continue; // a library's own talk
      const answer = JSON.parse(value);
      if (answer.error) throw new Error(answer.error);
      return answer;
    }
  }

  /** Ends the process, and waits until it has. */
  async close() {
    if (this.#process.exitCode !== null || this.#process.pid === undefined) return;
    const ended = new Promise((resolve) => this.#process.on('close', resolve));
    this.#process.stdin.end();
    await ended;
  }
}

/** The other side: answers tasks by name until its input ends. */
export async function serve(tasks) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { task, ...options } = JSON.parse(line);
    let answer;
    try {
      const run = tasks[task];
      if (!run) throw new Error(`no task "${task}"; known: ${Object.keys(tasks).join(', ')}`);
      answer = await run(options);
    } catch (error) {
      answer = { error: String(error?.stack ?? error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}

/** Milliseconds that `body` takes. */
export async function timed(body) {
  const start = performance.now();
  await body();
  return performance.now() - start;
}
