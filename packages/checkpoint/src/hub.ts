import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ReadableStream } from 'node:stream/web';
import type { ListFileEntry } from '@huggingface/hub';
import { writeFileAtomic } from './atomic.js';
import { CheckpointError } from './errors.js';

/** How far a download is, all files together. */
export interface HubProgress {
  /** the file that is under way */
  file: string;
  /** bytes, of `total` */
  done: number;
  total: number;
}

export interface HubOptions {
  /** branch, tag or commit; default main */
  revision?: string | undefined;
  /** default HF_TOKEN */
  token?: string | undefined;
  /** folder of downloaded models; default HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub */
  cache?: string | undefined;
  /** use only what was downloaded before; default HF_HUB_OFFLINE=1 */
  offline?: boolean | undefined;
  /** default HF_ENDPOINT, else https://huggingface.co */
  endpoint?: string | undefined;
  onProgress?: ((progress: HubProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Whether a name can be that of a model on the hub: `org/name`. */
export const isHubId = (name: string): boolean => /^[\w][\w.-]*\/[\w][\w.-]*$/.test(name) && !name.includes('..');

/** Files of a model beside its weights. */
const small = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'generation_config.json'];

/** Kinds of weights, the best first: those of the first kind that a model has are downloaded. */
const kinds: readonly RegExp[] = [
  /^model\.safetensors$/,
  /^model(\.safetensors\.index\.json|-\d+-of-\d+\.safetensors)$/,
  /^pytorch_model\.bin$/,
  /^pytorch_model(\.bin\.index\.json|-\d+-of-\d+\.bin)$/,
  /^[^/]+\.gguf$/,
];

/** Tries of a file whose connection breaks; each goes on where the one before ended. */
const tries = 5;

/**
 * Downloads a model from the Hugging Face hub into a cache that is laid out as the hub's own tools have it, and gives the folder.
 * What is there already is not downloaded again, a file that broke off is continued, and large files are checked by their SHA-256.
 * @throws CheckpointError for a model, revision or file that does not exist, a missing token, a hub that cannot be reached, or,
 * offline, a model that was not downloaded before
 */
export async function downloadModel(id: string, options: HubOptions = {}): Promise<string> {
  const { revision = 'main', token = process.env['HF_TOKEN'], signal } = options;
  if (!isHubId(id)) throw new CheckpointError(`"${id}" is no name of a model on the hub; it has the form org/name`);
  if (!/^[\w][\w./-]*$/.test(revision) || revision.includes('..'))
    throw new CheckpointError(`revision is "${revision}"; the name of a branch, a tag or a commit is needed`);
  const cache = options.cache ?? defaultCache();
  const home = join(cache, `models--${id.replace('/', '--')}`);
  const reference = join(home, 'refs', revision);
  if (options.offline ?? ['1', 'true'].includes(process.env['HF_HUB_OFFLINE']?.toLowerCase() ?? ''))
    return downloaded(id, revision, home, reference);
  const hubUrl = (options.endpoint ?? process.env['HF_ENDPOINT'] ?? 'https://huggingface.co').replace(/\/$/, '');
  const abortable: typeof fetch = (input, init) => fetch(input, { ...init, ...(signal ? { signal } : {}) });
  const access = { hubUrl, fetch: abortable, ...(token ? { accessToken: token } : {}) };
  const repo = { type: 'model', name: id } as const;
  const { downloadFile, listFiles, modelInfo } = await import('@huggingface/hub');
  try {
    const { sha } = await modelInfo({ name: id, revision, additionalFields: ['sha'], ...access });
    const files: ListFileEntry[] = [];
    for await (const entry of listFiles({ repo, revision: sha, ...access })) if (entry.type === 'file') files.push(entry);
    const wanted = choose(id, files);
    const folder = join(home, 'snapshots', sha);
    await mkdir(folder, { recursive: true });
    const total = wanted.reduce((sum, { size }) => sum + size, 0);
    let before = 0;
    for (const entry of wanted) {
      const report = (bytes: number): void => options.onProgress?.({ file: entry.path, done: before + bytes, total });
      await fetchFile({
        entry,
        target: join(folder, entry.path),
        report,
        open: () => downloadFile({ repo, path: entry.path, revision: sha, ...access }),
      });
      before += entry.size;
    }
    await mkdir(dirname(reference), { recursive: true });
    await writeFileAtomic(reference, sha);
    return folder;
  } catch (error) {
    signal?.throwIfAborted();
    throw explained(error, id, revision, hubUrl, token !== undefined);
  }
}

function defaultCache(): string {
  const { HF_HUB_CACHE: cache, HF_HOME: home, XDG_CACHE_HOME: caches } = process.env;
  return cache ?? join(home ?? join(caches ?? join(homedir(), '.cache'), 'huggingface'), 'hub');
}

/** The folder of a model that was downloaded before. */
async function downloaded(id: string, revision: string, home: string, reference: string): Promise<string> {
  const commit = existsSync(reference) ? (await readFile(reference, 'utf8')).trim() : revision;
  const folder = join(home, 'snapshots', commit);
  if (existsSync(folder)) return folder;
  throw new CheckpointError(
    `${id} (${revision}) is not in ${home}, and the hub is switched off (offline, HF_HUB_OFFLINE). Download it once with the hub switched on, or give a folder`,
  );
}

function choose(id: string, files: readonly ListFileEntry[]): ListFileEntry[] {
  const kind = kinds.find((pattern) => files.some(({ path }) => pattern.test(path)));
  const weights = files.filter(({ path }) => kind?.test(path));
  const all = [...files.filter(({ path }) => small.includes(path)), ...weights];
  if (weights.length === 0)
    throw new CheckpointError(
      `${id} has no weights that are read: neither safetensors, nor pytorch_model.bin, nor GGUF; it has ${files.map(({ path }) => path).join(', ')}`,
    );
  if (kind === kinds.at(-1) && weights.length > 1)
    throw new CheckpointError(
      `${id} has several GGUF files (${weights.map(({ path }) => path).join(', ')}); download one and give its path`,
    );
  return all;
}

interface Transfer {
  entry: ListFileEntry;
  target: string;
  report(bytes: number): void;
  open(): Promise<Blob | null>;
}

/** One file, continued where it broke off; it gets its name when it is complete and what it should be. */
async function fetchFile({ entry, target, report, open }: Transfer): Promise<void> {
  const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0;
  if (existsSync(target) && (await sizeOf(target)) === entry.size) return report(entry.size);
  const [{ createHash }, { Readable }, { pipeline }] = await Promise.all([
    import('node:crypto'),
    import('node:stream'),
    import('node:stream/promises'),
  ]);
  const incomplete = `${target}.incomplete`;
  for (let left = tries; ; left--) {
    try {
      let have = await sizeOf(incomplete);
      if (have > entry.size) await rm(incomplete).then(() => (have = 0));
      if (have < entry.size || entry.size === 0) {
        const blob = await open();
        if (!blob) throw new CheckpointError(`${entry.path} has vanished from the hub`);
        const stream = Readable.fromWeb((have > 0 ? blob.slice(have) : blob).stream() as ReadableStream);
        stream.on('data', (bytes: Uint8Array) => report((have += bytes.length)));
        await pipeline(stream, createWriteStream(incomplete, { flags: 'a' }));
      }
      const got = await sizeOf(incomplete);
      if (got < entry.size) throw new Error(`the connection ended after ${got} of ${entry.size} bytes`);
      break;
    } catch (error) {
      const status = (error as { statusCode?: number }).statusCode;
      const hopeless = error instanceof CheckpointError || (error as Error).name === 'AbortError' || (status !== undefined && status < 500);
      if (hopeless || left <= 1) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** (tries - left)));
    }
  }
  const wanted = entry.lfs?.oid;
  if (wanted) {
    const hash = createHash('sha256');
    await pipeline(createReadStream(incomplete), hash);
    const seen = hash.digest('hex');
    if (seen !== wanted) {
      await rm(incomplete);
      throw new CheckpointError(`${entry.path} came damaged: its SHA-256 is ${seen}, the hub says ${wanted}. Try again`);
    }
  }
  await rename(incomplete, target);
}

function explained(error: unknown, id: string, revision: string, hubUrl: string, withToken: boolean): CheckpointError {
  if (error instanceof CheckpointError) return error;
  const status = (error as { statusCode?: number }).statusCode;
  const say = (text: string): CheckpointError => new CheckpointError(text, { cause: error });
  if (status === 401 || status === 403) {
    const what = withToken ? 'the token given has no access to it' : 'a token is needed: set HF_TOKEN';
    return say(`${hubUrl} does not give out ${id} (status ${status}): ${what}; or there is no such model`);
  }
  if (status === 404) return say(`${hubUrl} has no model ${id} with revision ${revision}`);
  if (status !== undefined) return say(`${hubUrl} answered ${status} for ${id}: ${(error as Error).message}`);
  const { message, cause } = error as Error & { cause?: Error };
  return say(
    `cannot download ${id} from ${hubUrl}: ${cause?.message ?? message}. What has come is kept and continued next time; HF_HUB_OFFLINE=1 uses what was downloaded before`,
  );
}
