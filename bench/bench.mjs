// What the lines of the benchmark are measured with: this library and its peers as workers, the kernels as a program.
import { execFileSync, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from './models.mjs';
import { merged } from './measure.mjs';
import { Worker } from './worker.mjs';

const nativeBench = process.env.HIDDEN_ATTENTION_NATIVE_BENCH ?? join(root, 'native/build/RelWithDebInfo/native_bench');
const python = ['python3', '/usr/bin/python3'].find((command) => spawnSync(command, ['-c', 'import torch']).status === 0);
function hasLlama() {
  try {
    createRequire(join(root, 'packages/cli/package.json')).resolve('node-llama-cpp');
    return true;
  } catch {
    return false;
  }
}

export class Bench {
  #workers = new Map();
  /** @param options quick: small shapes, few runs; threads: of everything that is not said to be otherwise; peers: those asked, of llama and torch */
  constructor({ quick, threads, peers = ['llama', 'torch'] }) {
    this.peers = peers;
    this.quick = quick;
    this.threads = threads;
    this.limits = quick ? { rounds: 2, seconds: 3 } : { rounds: 5, seconds: 30 };
    this.model = quick ? 'mamba-quick' : 'mamba-130m';
  }

  #worker(key, make) {
    if (!this.#workers.has(key)) this.#workers.set(key, make());
    return this.#workers.get(key);
  }
  /** This library with some threads; under a name of its own in a process that has done nothing else. */
  ours(task, threads = this.threads, name = '') {
    const env = { HIDDEN_ATTENTION_THREADS: String(threads) };
    return this.#worker(`ours ${threads} ${name}`, () => new Worker(process.execPath, [join(root, 'bench/workers/ours.mjs')], env)).ask(
      task,
    );
  }
  /** Asks node-llama-cpp; undefined where it is not installed. */
  get llama() {
    if (!this.peers.includes('llama') || !hasLlama()) return undefined;
    return (task, threads = this.threads) =>
      this.#worker('llama', () => new Worker(process.execPath, [join(root, 'bench/workers/llama.mjs')])).ask({ threads, ...task });
  }
  /** Asks PyTorch; undefined where the system has none. */
  get torch() {
    if (!this.peers.includes('torch') || !python) return undefined;
    return (task) =>
      this.#worker('torch', () => new Worker(python, [join(root, 'bench/workers/pytorch.py'), String(this.threads)])).ask(task);
  }

  /** Rows of a part of native_bench, of a few runs of it. */
  native(part, threads = this.threads, runs = this.quick ? 1 : 3) {
    const args = [part, String(threads), this.quick ? '3' : '10', ...(this.quick ? ['--quick'] : [])];
    const outputs = Array.from({ length: runs }, () =>
      JSON.parse(execFileSync(nativeBench, args, { encoding: 'utf8', maxBuffer: 2 ** 26 })),
    );
    return merged(outputs);
  }

  async close() {
    await Promise.all([...this.#workers.values()].map((worker) => worker.close()));
  }
}
