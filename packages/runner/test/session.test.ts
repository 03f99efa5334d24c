import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointError, readSafetensors, writeSafetensors, type SafetensorsInput } from '@hidden-attention/checkpoint';
import { createModel } from '@hidden-attention/model';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSession, generateAll, restoreSession, RunnerError, type GeneratedToken, type Session } from '../src/index.js';
import { expectClose, tiny, tinyModel } from './fixtures/models.js';

const model = tinyModel();
const text = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5];
const options = { maxTokens: 15, temperature: 1.3, seed: 9, ignoreEos: true, repetitionPenalty: 1.2 };
let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'session-'))));
afterAll(() => rmSync(folder, { recursive: true }));

async function sessionOf(ids: number[]): Promise<Session> {
  const session = createSession(model);
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
