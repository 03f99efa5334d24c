// A real Redis on a free port of this machine, for the tests that need one; workers as processes of their own.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const found = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
/** Whether this machine has a Redis to test with; says so where it has not. */
export const hasRedis: boolean = found.status === 0;
if (!hasRedis) console.log('redis-server is not here: sweeps over a queue were not tested. Install it (apt-get install redis-server)');

const main = join(import.meta.dirname, '../../cli/dist/main.js');

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
    socket.unref();
    setTimeout(() => socket.destroy(), 200).unref();
  });

export class TestRedis {
  #process: ChildProcess | undefined;
  readonly #folder = mkdtempSync(join(tmpdir(), 'hidden-attention-redis-'));

  private constructor(
    readonly port: number,
    readonly extra: readonly string[],
    readonly password: string | undefined,
  ) {}

  static async start(options: { appendOnly?: boolean; password?: string } = {}): Promise<TestRedis> {
    const { appendOnly = false, password } = options;
    const extra = ['--appendonly', appendOnly ? 'yes' : 'no', '--appendfsync', 'always', ...(password ? ['--requirepass', password] : [])];
    const redis = new TestRedis(await freePort(), extra, password);
    await redis.start();
    return redis;
  }

  get url(): string {
    return `redis://${this.password ? `:${this.password}@` : ''}127.0.0.1:${this.port}`;
  }

  /** Starts it (again): with its append-only file as it was, else empty. */
  async start(): Promise<void> {
    const fixed = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--dir', this.#folder];
    this.#process = spawn('redis-server', [...fixed, ...this.extra], { stdio: 'ignore' });
    for (let i = 0; i < 200 && !(await answers(this.port)); i++) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.#process!.once('exit', resolve));
    this.#process!.kill('SIGKILL');
    await ended;
  }

  pause(): void {
    this.#process!.kill('SIGSTOP');
  }

  goOn(): void {
    this.#process!.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    this.goOn();
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A worker as a process, by the built command line. */
export class TestWorker {
  readonly #process: ChildProcess;
  /** what it wrote on standard error */
  said = '';

  constructor(url: string, ...flags: string[]) {
    if (!existsSync(main)) throw new Error(`${main} is missing: these tests need the packages built (npm test does it)`);
    this.#process = spawn(process.execPath, [main, 'worker', '--queue', url, '--lock-seconds', '2', ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, HIDDEN_ATTENTION_THREADS: '1' },
    });
    this.#process.stderr!.on('data', (chunk: Buffer) => (this.said += chunk.toString()));
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGTERM');
    await ended;
  }
}
