// Choices, beams, log-probabilities, states and speculation, as a user would ask for them.
import { describe, expect, test } from 'vitest';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { cli, fixtures, safetensors, workFolder } from './run.js';

const folder = workFolder();
const prose = ['generate', '--model', 'zoo:prose'];
const prompt = [...prose, '--prompt', 'The old man'];

function ok(...args: string[]): string {
  const { status, stdout, stderr } = cli(...args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}
const json = <T>(...args: string[]): T => JSON.parse(ok(...args, '--json')) as T;
interface Sequences {
  sequences: { tokens: number[]; text: string; logProbabilities: number[]; alternatives: { id: number; logProbability: number }[][] }[];
}

test('given answers are ranked by their log-probabilities, and a long one is what its tokens add up to', () => {
  const { choices } = json<{ choices: { text: string; logProbability: number; logProbabilities: number[]; share: number }[] }>(
    ...prose,
    '--prompt',
    'The old man looked at the',
    '--choices',
    ' sea',
    ' table cloth',
    ' sky',
  );
  expect(choices.map(({ text }) => text)).toEqual([' sea', ' sky', ' table cloth']);
  for (const { logProbability, logProbabilities } of choices)
    expect(logProbabilities.reduce((sum, value) => sum + value, 0)).toBeCloseTo(logProbability, 6);
  expect(choices.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
});

test('every token has its log-probability, and the likeliest in its place', () => {
  const [row] = json<Sequences>(...prompt, '--max-tokens', '4', '--log-probabilities', '2').sequences;
  expect(row!.alternatives).toHaveLength(4);
  for (const [i, id] of row!.tokens.entries()) expect(row!.alternatives[i]![0]).toEqual({ id, logProbability: row!.logProbabilities[i]! });
  expect(ok(...prompt, '--max-tokens', '1', '--log-probabilities', '2')).toMatch(/^" " -\d\.\d{3} {3}of: " " -\d\.\d{3} · .+\n$/);
});

test('beams are the likeliest texts, the best first', () => {
  const { beams } = json<{ beams: { tokens: number[]; logProbability: number }[][] }>(...prompt, '--max-tokens', '8', '--beams', '2');
  const [[best, second]] = beams as [[{ logProbability: number }, { logProbability: number }]];
  expect(best.logProbability).toBeGreaterThan(second.logProbability);
});

test('a text that is saved goes on another day as if it had not been left', () => {
  const state = join(folder, 'state.safetensors');
  const whole = ok(...prompt, '--max-tokens', '40');
  const first = ok(...prompt, '--max-tokens', '15', '--save-state', state).slice(0, -1);
  expect(first + ok(...prose, '--state', state, '--max-tokens', '25')).toBe(whole);
  const further = ok(...prose, '--state', state, '--prompt', ' and', '--max-tokens', '5').slice(0, -1);
  expect(further).toBe(ok(...prose, '--prompt', `${first} and`, '--max-tokens', '5').slice(first.length, -1));
});

test('guessing ahead changes nothing', () => {
  const text = 'the sea was calm, and the sea was blue, and the sea was ';
  const plain = ok(...prose, '--prompt', text, '--max-tokens', '40');
  expect(ok(...prose, '--prompt', text, '--max-tokens', '40', '--speculate', '8')).toBe(plain);
});

test('a row over a long text, in pieces', () => {
  const input = ['attention', '--model', 'zoo:prose', '--file', join(fixtures, 'demo-spam.txt'), '--layers', '1,3', '--row', 'last'];
  ok(...input, '--piece', '100', '--out', join(folder, 'pieces.safetensors'));
  ok(...input, '--out', join(folder, 'whole.safetensors'));
  const [pieces, whole] = ['pieces', 'whole'].map((name) => safetensors(join(folder, `${name}.safetensors`)));
  expect([...pieces!.keys()]).toEqual(['layers.1.row', 'layers.3.row']);
  for (const [name, { shape, data }] of whole!) {
    expect(pieces!.get(name)!.shape).toEqual(shape);
    const size = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    data.forEach((value, i) => expect(Math.abs(pieces!.get(name)!.data[i]! - value)).toBeLessThanOrEqual(1e-5 * size));
  }
});

describe('refuses', () => {
  const rows = join(folder, 'rows.json');
  writeFileSync(rows, '[[1, 2], [3]]');
  test.each([
    [['--prompt', 'x'], 2, '--max-tokens'],
    [['--prompt', 'x', '--max-tokens', '3', '--beams', '2', '--choices', 'a'], 2, '--choices and --beams do not go together'],
    [['--prompt', 'x', '--max-tokens', '3', '--beams', '2', '--state', 's'], 2, '--beams and --state do not go together'],
    [['--prompt', 'x', '--max-tokens', '3', '--log-probabilities', '-1'], 2, '--log-probabilities'],
    [['--ids', rows, '--max-tokens', '3', '--save-state', join(folder, 'x.safetensors')], 2, '--save-state goes with one text; 2 rows'],
    [['--prompt', 'x', '--max-tokens', '3', '--save-state', 'x.bin'], 2, '--save-state x.bin: the name must end in .safetensors'],
    [['--state', 'nowhere.safetensors', '--max-tokens', '3'], 1, 'nowhere.safetensors'],
  ] as const)('%j', (args, status, message) => {
    const result = cli(...prose, ...args);
    expect(result.status).toBe(status);
    expect(result.stderr).toContain(message);
    expect(result.stdout).toBe('');
  });
});
