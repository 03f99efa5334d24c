import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

const fixture = (name: string) => readFile(new URL(`fixtures/${name}`, import.meta.url), 'utf8');

test('the mail sample is 20 ham and 20 spam of the held-out part, each once', async () => {
  const mails = (await fixture('mail-sample.jsonl'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  for (const label of ['ham', 'spam']) expect(mails.filter((mail) => mail.label === label)).toHaveLength(20);
  for (const mail of mails) {
    expect(Object.keys(mail)).toEqual(['text', 'label', 'id']);
    expect(mail.text).toMatch(/^Subject: .*\n\n\S/);
    expect(mail.id).toMatch(mail.label === 'ham' ? /^(easy|hard)-ham-[12]\/\d{5}\.[0-9a-f]{32}$/ : /^spam-[12]\/\d{5}\.[0-9a-f]{32}$/);
  }
  expect(new Set(mails.map(({ text }) => text)).size).toBe(40);
});

test.each(['demo-ham.txt', 'demo-spam.txt'])('%s is a short plain mail', async (name) => {
  const text = await fixture(name);
  expect(text).toMatch(/^Subject: [\x20-\x7e]+\n\n[\x20-\x7e\n]+\S$/);
  expect(text.length).toBeGreaterThanOrEqual(400);
  expect(text.length).toBeLessThanOrEqual(900);
});

test('the prose sample is about 20 KB of ASCII paragraphs', async () => {
  const text = await fixture('prose-sample.txt');
  expect(text).toMatch(/^[\x20-\x7e\n]+\n$/);
  expect(text).not.toMatch(/\n{3}| \n/);
  expect(text.length).toBeGreaterThan(15_000);
  expect(text.length).toBeLessThanOrEqual(20_000);
});
