import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointError, readSafetensors, writeSafetensors, type SafetensorsInput } from '@hidden-attention/checkpoint';
import { createModel } from '@hidden-attention/model';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { Decoder } from '../src/decoder.js';
import { createSession, generateAll, restoreSession, RunnerError, type GeneratedToken, type Session } from '../src/index.js';
import { expectClose, tiny, tinyModel } from './fixtures/models.js';

const model = tinyModel();
const text = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5];
const options = { maxTokens: 15, temperature: 1.3, seed: 9, ignoreEos: true, repetitionPenalty: 1.2 };
let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'session-'))));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => void vi.restoreAllMocks());

async function sessionOf(ids: number[], of = model): Promise<Session> {
  const session = createSession(of);
  await session.append(ids);
  return session;
}

async function tokensOf(session: Session, more: object = {}): Promise<number[]> {
  const tokens: GeneratedToken[] = [];
  for await (const token of session.generate({ ...options, ...more })) tokens.push(token);
  return tokens.map(({ id }) => id);
}

describe('append', () => {
  test('in pieces, one by one or all at once: the same logits', async () => {
    const whole = await createSession(model).append(text);
    const pieces = createSession(model);
    await pieces.append(text.slice(0, 4));
    expectClose(await pieces.append(text.slice(4)), whole);
    const steps = createSession(model);
    for (const id of text) await steps.append([id]);
    expectClose(steps.logits!, whole);
    expect([pieces.length, steps.length]).toEqual([11, 11]);
    expectClose(whole, await model.forward(model.batch([text]), { logits: 'last' }).logits!.read());
  });

  test('ids out of range, none, and a second append meanwhile are refused; the session stays where it was', async () => {
    const session = await sessionOf(text);
    const before = session.logits;
    await expect(session.append([1, 23])).rejects.toThrow(/id 23 at position 1/);
    await expect(session.append([])).rejects.toThrow(/empty/);
    await expect(session.append([1], { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
    expect([session.length, session.logits]).toEqual([11, before]);
    const first = session.append([1]);
    await expect(session.append([2])).rejects.toThrow(/still reading/);
    await first;
    expect(session.length).toBe(12);
  });
});

describe('generate', () => {
  test('gives what generate of a prompt gives, and what it gives is part of the session', async () => {
    const session = await sessionOf(text);
    const tokens = await tokensOf(session);
    expect([tokens]).toEqual(await generateAll(model, [text], options));
    expect(session.length).toBe(11 + 15);
    expectClose(session.logits!, await createSession(model).append([...text, ...tokens]));
  });

  test('an empty session and bad options are refused at once', () => {
    expect(() => createSession(model).generate(options)).toThrow(/the session is empty/);
    expect(() => createSession(model).generate({ maxTokens: 0 })).toThrow(/maxTokens is 0/);
    const observed = { maxTokens: 1, observer: { sites: [], see: () => undefined } };
    expect(() => createSession(model).generate(observed)).toThrow(/observer follows a text from its first id on/);
  });
});

const gpt2 = createModel(
  { model_type: 'gpt2', vocab_size: 23, n_embd: 16, n_layer: 2, n_head: 4, n_positions: 160, initializer_range: 0.4 },
  { seed: 2 },
);
describe.each([
  ['mamba', model],
  ['gpt2', gpt2],
] as const)('between two tokens that a session of a %s generates', (name, own) => {
  const path = (): string => join(folder, `${name}.safetensors`);
  const long = { ...options, maxTokens: 100 };
  /** That a session stands behind `ids`, the text that it began with included. */
  async function expectBehind(session: Session, ids: number[]): Promise<void> {
    expect(session.length).toBe(ids.length);
    expectClose(session.logits!, await createSession(own).append(ids));
    expectClose(await session.append([7]), await createSession(own).append([...ids, 7]));
  }

  test('it can be forked and saved; neither changes what comes, nor is changed by it', async () => {
    const session = await sessionOf(text, own);
    const before = session.fork();
    const others: { session: Session; ids: number[] }[] = [];
    const ids = [...text];
    for await (const { id } of session.generate(long)) {
      ids.push(id);
      if (ids.length % 30 > 0) continue;
      others.push({ session: session.fork(), ids: [...ids] });
      await session.save(path());
      others.push({ session: await restoreSession(own, path()), ids: [...ids] });
    }
    expect(others.length).toBe(6);
    expect([ids.slice(11)]).toEqual(await generateAll(own, [text], long));
    for (const { session, ids } of [...others, { session: before, ids: text }]) await expectBehind(session, ids);
    await expectBehind(session, ids);
  });

  test('and in the middle of a step it can be, too: as it was before the step', async () => {
    const session = await sessionOf(text, own);
    const tokens = session.generate(long);
    const ids = [...text];
    for (let i = 0; i < 5; i++) ids.push((await tokens.next()).value!.id);
    const step = tokens.next();
    const fork = session.fork();
    const saved = session.save(path());
    await expect(session.append([1])).rejects.toThrow(/still reading/);
    const after = [...ids, (await step).value!.id];
    await saved;
    await expectBehind(await restoreSession(own, path()), ids);
    expect([await tokensOf(fork, { temperature: 0 })]).toEqual(await generateAll(own, [ids], { ...options, temperature: 0 }));
    await tokens.return(undefined);
    await expectBehind(session, after);
  });

  test('it can be left, aborted, appended to, or continued by another loop', async () => {
    const session = await sessionOf(text, own);
    const ids = [...text];
    for await (const { id } of session.generate(long)) if (ids.push(id) === 15) break;
    const stop = new AbortController();
    const aborted = (async () => {
      for await (const { id } of session.generate({ ...long, signal: stop.signal }))
        if (ids.push(id) === 20) stop.abort(new Error('enough'));
    })();
    await expect(aborted).rejects.toThrow('enough');
    const tokens = session.generate(long);
    ids.push((await tokens.next()).value!.id);
    await session.append([5, 6]);
    ids.push(5, 6);
    for await (const { id } of session.generate({ ...long, maxTokens: 3 })) ids.push(id);
    ids.push((await tokens.next()).value!.id);
    await tokens.return(undefined);
    await expectBehind(session, ids);
  });

  test('it stands where its last token left it when the next one fails, in choosing, in recording or in a step', async () => {
    const session = await sessionOf(text, own);
    const ids = [...text];
    const run = async (more: object = {}): Promise<void> => {
      for await (const { id } of session.generate({ ...long, ...more })) ids.push(id);
    };
    let pushes = 0;
    const push = (): string => {
      if (++pushes > 3) throw new Error('no such character');
      return '';
    };
    await expect(run({ tokenizer: { decoder: () => ({ push, end: () => '' }) } })).rejects.toThrow('no such character');
    expect(session.length).toBe(14);

    vi.spyOn(own, 'forward').mockImplementation(() => {
      throw new RangeError('no memory');
    });
    await expect(run()).rejects.toThrow('no memory');
    vi.restoreAllMocks();

    const { step } = Decoder.prototype;
    let steps = 0;
    vi.spyOn(Decoder.prototype, 'step').mockImplementation(async function (this: Decoder, next) {
      const logits = await step.call(this, next);
      if (++steps > 4) throw new Error('the device failed');
      return logits;
    });
    await expect(run()).rejects.toThrow('the device failed');
    vi.restoreAllMocks();
    expect(session.length).toBe(18);
    const fork = session.fork();
    await session.save(path());
    for (const one of [fork, await restoreSession(own, path()), session]) await expectBehind(one, ids);
  });
});

test('a fork goes on by itself: neither sees what the other reads', async () => {
  const session = await sessionOf(text);
  const [left, right] = [session.fork(), session.fork()];
  const expected = await tokensOf(left);
  await right.append([1, 2, 3]);
  session.dispose();
  left.dispose();
  expect(right.length).toBe(14);
  expectClose(right.logits!, await createSession(model).append([...text, 1, 2, 3]));
  expect(await tokensOf(await sessionOf(text))).toEqual(expected);
});

describe('save and restore', () => {
  const path = (): string => join(folder, 'x.safetensors');

  test('a restored session continues bit by bit, on a model loaded anew', async () => {
    const session = await sessionOf(text);
    await session.save(path());
    const again = await restoreSession(tinyModel(), path());
    expect(again.length).toBe(11);
    expect(again.logits).toEqual(session.logits);
    expect(await tokensOf(again)).toEqual(await tokensOf(session));
    expect(again.logits).toEqual(session.logits);
  });

  test('an empty session, too; the same session gives the same bytes', async () => {
    await createSession(model).save(path());
    const bytes = readFileSync(path());
    const again = await restoreSession(model, path());
    expect([again.length, again.logits]).toEqual([0, null]);
    await again.save(path());
    expect(readFileSync(path())).toEqual(bytes);
  });

  test('another configuration is refused with what differs, other weights too', async () => {
    await (await sessionOf(text)).save(path());
    await expect(restoreSession(tinyModel({ num_hidden_layers: 3, state_size: 5 }), path())).rejects.toThrow(
      /saved by another model: .*layers was 2 and is 3.*stateSize was 4 and is 5/,
    );
    await expect(restoreSession(createModel(tiny, { seed: 3 }), path())).rejects.toThrow(/same sizes with other weights/);
    await expect(restoreSession(createModel(tiny, { seed: 3 }), path())).rejects.toThrow(RunnerError);
  });

  test('a file that is no session, or a damaged one, is refused', async () => {
    await writeSafetensors(path(), []);
    await expect(restoreSession(model, path())).rejects.toThrow(/is no saved session; Session\.save writes one/);
    writeFileSync(path(), 'nonsense');
    await expect(restoreSession(model, path())).rejects.toThrow(CheckpointError);
    await expect(restoreSession(model, join(folder, 'none'))).rejects.toThrow(/none as safetensors: no such file/);

    await (await sessionOf(text)).save(path());
    const { metadata, tensors } = await contentOf(path());
    await writeSafetensors(
      path(),
      tensors.filter(({ name }) => name !== 'layers.1.conv'),
      metadata,
    );
    await expect(restoreSession(model, path())).rejects.toThrow(/layers\.1\.conv is missing; F32 \(1, 24, 3\) is needed/);
    await writeSafetensors(path(), tensors, { ...metadata, length: 'many' });
    await expect(restoreSession(model, path())).rejects.toThrow(/length is many/);
    await writeSafetensors(path(), tensors, { ...metadata, config: '{' });
    await expect(restoreSession(model, path())).rejects.toThrow(/not JSON/);
  });
});

async function contentOf(path: string): Promise<{ metadata: Record<string, string>; tensors: SafetensorsInput[] }> {
  await using file = await readSafetensors(path);
  const tensors: SafetensorsInput[] = [];
  for (const { name, dtype, shape, read } of file.tensors.values())
    tensors.push({ name, dtype: dtype as SafetensorsInput['dtype'], shape, data: await read() });
  return { metadata: { ...file.metadata }, tensors };
}
