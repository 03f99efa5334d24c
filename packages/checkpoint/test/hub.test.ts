// A local server that speaks the hub's routes: commits, file lists, ranges, redirects, tokens, connections that break.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createModel } from '@hidden-attention/model';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CheckpointError, describeModel, downloadModel, isHubId, loadModel, saveModel, writeGguf, type HubProgress } from '../src/index.js';
import { temporaryFolder } from './fixtures/temporary.js';

const folder = temporaryFolder();
const sha = 'a'.repeat(40);
const model = createModel({ model_type: 'mamba', vocab_size: 300, hidden_size: 32, num_hidden_layers: 2 }, { seed: 8 });

/** What the server holds, by model and file; what it shall do. */
const models: Record<string, Record<string, Buffer>> = {};
let broken = 0; // connections that end after a part of a large file
let damaged = false;
let requests: { method: string; url: string; range: string | undefined; token: string | undefined }[] = [];

let source = ''; // a folder that lives as long as the server
let server: Server;
let endpoint = '';

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url!, endpoint);
  const { range, authorization } = request.headers;
  requests.push({ method: request.method!, url: url.pathname, range, token: authorization });
  const fail = (status: number, code = ''): void =>
    void response.writeHead(status, { 'X-Error-Code': code }).end(JSON.stringify({ error: `status ${status}` }));
  const [, name] = /^\/(?:api\/models\/|moved\/)?([^/]+\/[^/]+)/.exec(url.pathname) ?? [];
  if (name === 'org/secret' && authorization !== 'Bearer hf_right') return fail(401);
  if (name === 'org/sick') return fail(503);
  const files = models[name ?? ''];
  if (!files) return fail(404, 'RepoNotFound');
  if (url.pathname.includes('/revision/')) {
    if (!/\/(main|v1|HEAD|a{40})$/.test(url.pathname)) return fail(404, 'RevisionNotFound');
    return void response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ _id: '1', id: name, sha, lastModified: '2026-01-01' }));
  }
  if (url.pathname.includes('/tree/')) {
    const entries = Object.entries(files).map(([path, bytes]) => ({
      type: 'file',
      path,
      size: bytes.length,
      oid: 'b'.repeat(40),
      ...(bytes.length > 10_000
        ? { lfs: { oid: createHash('sha256').update(bytes).digest('hex'), size: bytes.length, pointerSize: 100 } }
        : {}),
    }));
    return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(entries));
  }
  const path = url.pathname.split('/').at(-1)!;
  const bytes = files[path];
  if (!bytes) return fail(404, 'EntryNotFound');
  if (url.pathname.startsWith(`/${name}/resolve/`) && bytes.length > 10_000)
    return void response.writeHead(302, { location: `/moved/${name}/${path}` }).end(); // large files lie elsewhere
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  const start = Number(from ?? 0);
  const end = to ? Math.min(Number(to) + 1, bytes.length) : bytes.length;
  const part = Buffer.from(bytes.subarray(start, end));
  if (damaged && part.length > 1000) part[500]! ^= 1;
  response.writeHead(range ? 206 : 200, {
    'content-length': part.length,
    etag: '"e"',
    ...(range ? { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` } : {}),
  });
  if (broken > 0 && part.length > 10_000) {
    broken--;
    response.write(part.subarray(0, Math.floor(part.length / 20)), () => setTimeout(() => response.destroy(), 50));
  } else response.end(part);
}

beforeAll(async () => {
  source = mkdtempSync(join(tmpdir(), 'hub-'));
  const own = join(source, 'model');
  await saveModel(own, model);
  const files = Object.fromEntries(readdirSync(own).map((name) => [name, readFileSync(`${own}/${name}`)]));
  models['org/tiny'] = { ...files, 'README.md': Buffer.from('not wanted'), 'pytorch_model.bin': Buffer.from('not wanted either') };
  models['org/secret'] = files;
  await writeGguf(join(source, 'x.gguf'), model, { dtype: 'f32' });
  models['org/gguf'] = { 'tiny-f32.gguf': readFileSync(join(source, 'x.gguf')) };
  models['org/none'] = { 'README.md': Buffer.from('nothing') };
  server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  rmSync(source, { recursive: true });
  await new Promise((resolve) => server.close(resolve));
});
let cache = '';
let count = 0;
beforeEach(() => {
  cache = folder.path(`cache-${count++}`);
  [requests, broken, damaged] = [[], 0, false];
});

const logits = async (own: typeof model): Promise<Float32Array> => own.forward(own.batch([[1, 2, 3]]), { logits: 'last' }).logits!.read();

describe('downloadModel', () => {
  test('brings a model through redirects, what is wanted of it only, and says how far it is', async () => {
    const seen: HubProgress[] = [];
    const path = await downloadModel('org/tiny', { endpoint, cache, onProgress: (progress) => seen.push(progress) });
    expect(path).toBe(`${cache}/models--org--tiny/snapshots/${sha}`);
    expect(readdirSync(path).sort()).toEqual(['config.json', 'model.safetensors']);
    const { done, total } = seen.at(-1)!;
    expect(done).toBe(total);
    expect(seen.every((progress, i) => i === 0 || progress.done >= seen[i - 1]!.done)).toBe(true);
    expect(await logits((await loadModel(path)).model)).toEqual(await logits(model));
  });

  test('describeModel brings and describes it', async () => {
    const { files, missing, parameters } = await describeModel('org/tiny', { hub: { endpoint, cache } });
    expect(files).toMatchObject([{ name: 'model.safetensors', format: 'safetensors' }]);
    expect({ missing, parameters }).toEqual({ missing: [], parameters: model.parameterCount });
  });

  test('a second time nothing is downloaded; offline nothing is asked', async () => {
    await downloadModel('org/tiny', { endpoint, cache, revision: 'v1' });
    requests = [];
    await downloadModel('org/tiny', { endpoint, cache, revision: 'v1' });
    expect(requests.filter(({ url }) => !url.startsWith('/api/'))).toEqual([]);
    requests = [];
    await downloadModel('org/tiny', { endpoint, cache, revision: 'v1', offline: true });
    expect(requests).toEqual([]);
    await expect(downloadModel('org/tiny', { endpoint, cache, offline: true })).rejects.toThrow(
      /org\/tiny \(main\) is not in .*Download it once/,
    );
  });

  test('connections that break are continued where they ended', async () => {
    broken = 2;
    const path = await downloadModel('org/tiny', { endpoint, cache });
    const whole = models['org/tiny']!['model.safetensors']!;
    expect(readFileSync(`${path}/model.safetensors`)).toEqual(whole);
    const continued = requests
      .filter(({ range }) => range && !range.startsWith('bytes=0-'))
      .map(({ range }) => Number(/\d+/.exec(range!)![0]));
    expect(continued.length).toBeGreaterThanOrEqual(2);
    expect(continued.every((from) => from > 0 && from < whole.length)).toBe(true);
  });

  test('a download that was given up goes on another day', async () => {
    broken = 100;
    await expect(downloadModel('org/tiny', { endpoint, cache })).rejects.toThrow(/cannot download org\/tiny .*What has come is kept/);
    expect(existsSync(`${cache}/models--org--tiny/snapshots/${sha}/model.safetensors`)).toBe(false);
    broken = 0;
    requests = [];
    const path = await downloadModel('org/tiny', { endpoint, cache });
    expect(readFileSync(`${path}/model.safetensors`)).toEqual(models['org/tiny']!['model.safetensors']);
    expect(requests.some(({ range }) => /^bytes=[1-9]\d*-/.test(range ?? ''))).toBe(true);
  }, 20_000);

  test('a large file that came damaged is thrown away', async () => {
    damaged = true;
    await expect(downloadModel('org/tiny', { endpoint, cache })).rejects.toThrow(
      /model\.safetensors came damaged: its SHA-256 is .*Try again/,
    );
    expect(readdirSync(`${cache}/models--org--tiny/snapshots/${sha}`)).toEqual(['config.json']);
  });

  test('a GGUF file by itself; loadModel takes the name', async () => {
    const { model: loaded } = await loadModel('org/gguf', { hub: { endpoint, cache } });
    expect(await logits(loaded)).toEqual(await logits(model));
  });

  test('tokens are sent, and asked for', async () => {
    await expect(downloadModel('org/secret', { endpoint, cache, token: '' })).rejects.toThrow(/status 401/);
    await expect(downloadModel('org/secret', { endpoint, cache, token: 'hf_wrong' })).rejects.toThrow(/the token given has no access/);
    await downloadModel('org/secret', { endpoint, cache, token: 'hf_right' });
    expect(requests.at(-1)!.token).toBe('Bearer hf_right');
  });

  test('what does not exist, is sick, or cannot be reached, is said', async () => {
    await expect(downloadModel('org/nobody', { endpoint, cache })).rejects.toThrow(/has no model org\/nobody with revision main/);
    await expect(downloadModel('org/tiny', { endpoint, cache, revision: 'v9' })).rejects.toThrow(/has no model org\/tiny with revision v9/);
    await expect(downloadModel('org/none', { endpoint, cache })).rejects.toThrow(/has no weights that are read.*README\.md/);
    await expect(downloadModel('org/sick', { endpoint, cache })).rejects.toThrow(/answered 503 for org\/sick/);
    await expect(downloadModel('org/tiny', { endpoint: 'http://127.0.0.1:9', cache })).rejects.toThrow(
      /cannot download org\/tiny .*HF_HUB_OFFLINE=1/,
    );
    for (const options of [{ revision: '../../etc' }, { revision: '' }])
      await expect(downloadModel('org/tiny', { endpoint, cache, ...options })).rejects.toThrow(CheckpointError);
    await expect(downloadModel('../tiny', { endpoint, cache })).rejects.toThrow(/no name of a model/);
    expect(['org/name', 'a/b-1.3'].every(isHubId)).toBe(true);
    expect(['/org/name', 'a/b/c', 'name', './a', 'a/..'].some(isHubId)).toBe(false);
  });

  test('an abort ends it', async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(downloadModel('org/tiny', { endpoint, cache, signal: controller.signal })).rejects.toThrow(/abort/i);
  });
});

test('a folder of that name comes before the hub', async () => {
  const before = process.cwd();
  process.chdir(folder.path('.'));
  try {
    mkdirSync('org/tiny', { recursive: true });
    writeFileSync('org/tiny/config.json', '{}');
    await expect(loadModel('org/tiny', { hub: { endpoint, cache } })).rejects.toThrow(/org\/tiny has no weights/);
    expect(requests).toEqual([]);
  } finally {
    process.chdir(before);
  }
});
