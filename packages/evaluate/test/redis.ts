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

/** Whether that Redis was built with TLS. */
export const hasTls: boolean =
  hasRedis && !spawnSync('redis-server', ['--tls-replication', 'perhaps'], { encoding: 'utf8' }).stderr.includes('Bad directive');
if (hasRedis && !hasTls) console.log('redis-server was built without TLS: rediss:// was not tested');

export const main: string = join(import.meta.dirname, '../../cli/dist/main.js');

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

interface TestRedisOptions {
  appendOnly?: boolean;
  password?: string;
  /** by TLS alone, with a certificate that it signs itself, and for this user */
  tlsUser?: string;
}

export class TestRedis {
  #process: ChildProcess | undefined;
  readonly #folder = mkdtempSync(join(tmpdir(), 'hidden-attention-redis-'));

  private constructor(
    readonly port: number,
    readonly options: TestRedisOptions,
  ) {}

  static async start(options: TestRedisOptions = {}): Promise<TestRedis> {
    const redis = new TestRedis(await freePort(), options);
    if (options.tlsUser) redis.#signCertificate();
    await redis.start();
    return redis;
  }

  get url(): string {
    const { password, tlsUser = '' } = this.options;
    return `${tlsUser ? 'rediss' : 'redis'}://${password ? `${tlsUser}:${password}@` : ''}127.0.0.1:${this.port}`;
  }

  /** The certificate that it shows, where it has one. */
  get certificate(): string {
    return join(this.#folder, 'certificate.pem');
  }

  get #key(): string {
    return join(this.#folder, 'key.pem');
  }

  #signCertificate(): void {
    const asked = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const named = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const { status, stderr } = spawnSync('openssl', [...asked, ...named, '-keyout', this.#key, '-out', this.certificate], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`openssl made no certificate: ${stderr}`);
  }

  #flags(): string[] {
    const { appendOnly = false, password, tlsUser } = this.options;
    const kept = ['--save', '', '--dir', this.#folder, '--appendonly', appendOnly ? 'yes' : 'no', '--appendfsync', 'always'];
    const place = ['--bind', '127.0.0.1', tlsUser ? '--tls-port' : '--port', String(this.port)];
    if (!tlsUser) return [...kept, ...place, ...(password ? ['--requirepass', password] : [])];
    const tls = ['--port', '0', '--tls-cert-file', this.certificate, '--tls-key-file', this.#key, '--tls-auth-clients', 'no'];
    return [...kept, ...place, ...tls, '--user', 'default', 'off', '--user', tlsUser, 'on', `>${password}`, '~*', '&*', '+@all'];
  }

  /** Starts it (again): with its append-only file as it was, else empty. */
  async start(): Promise<void> {
    this.#process = spawn('redis-server', this.#flags(), { stdio: 'ignore' });
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

  constructor(url: string, flags: readonly string[] = [], env: Record<string, string> = {}) {
    if (!existsSync(main)) throw new Error(`${main} is missing: these tests need the packages built (npm test does it)`);
    this.#process = spawn(process.execPath, [main, 'worker', '--queue', url, '--lock-seconds', '2', ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, HIDDEN_ATTENTION_THREADS: '1', ...env },
    });
    this.#process.stderr!.on('data', (chunk: Buffer) => (this.said += chunk.toString()));
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  /** What it ends with, once it has. */
  async status(): Promise<number | null> {
    if (this.#process.exitCode === null) await new Promise((resolve) => this.#process.once('exit', resolve));
    return this.#process.exitCode;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGTERM');
    await ended;
  }
}
