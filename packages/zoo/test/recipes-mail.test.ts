import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { messageText, tidy, withoutListMarks } from '../recipes/mail/message.mjs';
import { groupNearDuplicates, jaccard, shingles } from '../recipes/mail/near-duplicates.mjs';
import { splitByGroup, withoutCopies } from '../recipes/mail/prepare.mjs';

const mail = (...lines: string[]) => Buffer.from(lines.join('\r\n'), 'latin1');

describe('messageText', () => {
  test('keeps the subject alone of the headers, without the name of the list', async () => {
    const raw = mail(
      'From a@b  Thu Aug 22',
      'From: Ann <ann@example.org>',
      'X-Spam: yes',
      'Subject: Re: [ILUG] a',
      ' kernel',
      '',
      'Boot it.',
    );
    expect(await messageText(raw)).toBe('Subject: Re: a kernel\n\nBoot it.');
  });

  test('decodes quoted-printable, base64 and encoded subjects', async () => {
    const headers = ['MIME-Version: 1.0', 'Content-Type: text/plain; charset=iso-8859-1'];
    const quoted = mail(
      'Subject: =?utf-8?Q?caf=C3=A9?=',
      ...headers,
      'Content-Transfer-Encoding: quoted-printable',
      '',
      'na=EFve =',
      'line',
    );
    expect(await messageText(quoted)).toBe('Subject: café\n\nnaïve line');
    const encoded = mail('Subject: x', ...headers, 'Content-Transfer-Encoding: base64', '', Buffer.from('free gold').toString('base64'));
    expect(await messageText(encoded)).toBe('Subject: x\n\nfree gold');
  });

  test('reads HTML as text, also where it is called plain, and prefers the plain part', async () => {
    const html = '<html><body><h1>Act now</h1><p>See <a href="http://x.y/">this</a><img src="a.gif"></p></body></html>';
    for (const type of ['html', 'plain']) {
      expect(await messageText(mail('Subject: s', `Content-Type: text/${type}`, '', html))).toBe('Subject: s\n\nAct now\n\nSee this');
    }
    const both = mail('Subject: s', 'MIME-Version: 1.0', 'Content-Type: multipart/alternative; boundary=q', '',
      '--q', 'Content-Type: text/plain', '', 'plain words', '--q', 'Content-Type: text/html', '', html, '--q--'); // prettier-ignore
    expect(await messageText(both)).toBe('Subject: s\n\nplain words');
  });

  test('reads bytes of no named character set as windows-1252 unless they are UTF-8', async () => {
    expect(await messageText(mail('Subject: s', '', 'na\xefve'))).toBe('Subject: s\n\nnaïve');
    expect(await messageText(Buffer.from('Subject: s\n\nprice € 5'))).toBe('Subject: s\n\nprice € 5');
  });

  test('a message without a word gives nothing', async () => {
    expect(await messageText(mail('Subject: hello', '', '  ', '-- '))).toBe('');
  });
});

test('list footers, advertisements and feed headers go; what people wrote stays', () => {
  const written = 'I asked the mailing list.\n\n> a quotation\n\nKate';
  const footers = [
    "-- \nIrish Linux Users' Group: ilug@linux.ie\nhttp://www.linux.ie/mailman/listinfo/ilug for (un)subscription information.\nList maintainer: listmaster@linux.ie",
    `${'-'.repeat(55)}\nThis sf.net email is sponsored by:ThinkGeek\nWelcome to geek heaven.\nhttp://thinkgeek.com/sf\n${'_'.repeat(47)}\nSpamassassin-talk mailing list\nSpamassassin-talk@example.net\nhttps://example.net/lists/listinfo/spamassassin-talk`,
    `${'-'.repeat(24)} Yahoo! Groups Sponsor ${'-'.repeat(21)}~-->\n4 DVDs Free\nhttp://us.click.example/\n${'-'.repeat(69)}~->\n\nTo unsubscribe from this group, send an email to:\na@b.c\n\nYour use of Yahoo! Groups is subject to http://docs.example/`,
    `> ${'_'.repeat(47)}\n> RPM-List mailing list <RPM-List@example.net>\n> http://example.net/mailman/listinfo/rpm-list`,
  ];
  for (const footer of footers) expect(withoutListMarks(tidy(`${written}\n\n${footer}`))).toBe(written);
  expect(withoutListMarks(`URL: http://a.b/c\nDate: Not supplied\n\n${written}`)).toBe(written);
  expect(withoutListMarks(written)).toBe(written);
});

test('tidying twice is tidying once', () => {
  const messy = fc.array(fc.constantFrom('a', '\r', '\n', ' ', '\t', '\u00a0', '\u200b', '\u0000', 'é')).map((parts) => parts.join(''));
  fc.assert(fc.property(messy, (text) => {
    const once = tidy(text);
    expect(tidy(once)).toBe(once);
    expect(once).not.toMatch(/\r|\t|\n{3}| {2}| \n|^\s|\s$/);
  })); // prettier-ignore
});

describe('near-duplicates', () => {
  const words = (from: number, to: number) =>
    Array.from(
      { length: to - from },
      (_, index) => `w${String.fromCharCode(97 + ((from + index) % 26))}${'x'.repeat(Math.floor((from + index) / 26))}`,
    ).join(' ');

  test('the Jaccard index of runs of three words, worked out by hand', () => {
    expect(jaccard(shingles('a b c d'), shingles('A, b c! e'))).toBe(1 / 3); // abc bcd | abc bce
    expect(jaccard(shingles('rate 6.25'), shingles('rate 7.99'))).toBe(1);
    expect(shingles('').size).toBe(1);
  });

  test('texts of index 0.7 and more share a group, directly or by a chain; others do not', () => {
    const base = words(0, 100);
    const texts = [words(200, 300), base, `${base} one more`, `${words(0, 96)} other end here now`, words(50, 150), words(400, 420)];
    expect(groupNearDuplicates(texts)).toEqual([0, 1, 1, 1, 4, 5]);
  });

  test('finds what comparing every pair finds', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 3, maxLength: 8 }).map((list) => list.join(' '));
    fc.assert(fc.property(fc.array(text, { minLength: 2, maxLength: 12 }), (texts) => {
      const groups = groupNearDuplicates(texts);
      const sets = texts.map(shingles);
      const linked = texts.map((_, index) => index);
      for (const _ of texts) {
        sets.forEach((a, i) => sets.forEach((b, j) => {
          if (jaccard(a, b) >= 0.7) linked[i] = Math.min(linked[i]!, linked[j]!);
        }));
      }
      expect(groups).toEqual(linked);
    }), { seed: 1 }); // prettier-ignore
  });
});

test('copies, texts of both labels and empty texts are dropped', () => {
  const message = (text: string, label: string, id: string) => ({ text, label, id });
  const kept = withoutCopies([
    message('a', 'ham', '1'),
    message('a', 'ham', '2'),
    message('b', 'ham', '3'),
    message('b', 'spam', '4'),
    message('', 'ham', '5'),
    message('c', 'spam', '6'),
  ]);
  expect(kept.map(({ id }: { id: string }) => id)).toEqual(['1', '6']);
});

test('the split keeps near-duplicates together, and depends on the texts alone', async () => {
  const sample = (await readFile(new URL('fixtures/mail-sample.jsonl', import.meta.url), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const messages = sample.flatMap((mail: { text: string; id: string }) => [
    mail,
    { ...mail, text: `${mail.text} ok`, id: `${mail.id} again` },
  ]);
  const sides = (list: typeof messages, seed: string) => {
    const parts = Object.entries(splitByGroup(list, seed) as Record<string, typeof messages>);
    return new Map(parts.flatMap(([part, mails]) => mails.map(({ id }) => [id, part])));
  };
  const split = sides(messages, 'one');
  expect(split.size).toBe(messages.length);
  expect(new Set(split.values())).toEqual(new Set(['train', 'validation', 'heldout']));
  for (const { id } of sample) expect(split.get(`${id} again`)).toBe(split.get(id));
  expect(sides([...messages].reverse(), 'one')).toEqual(new Map([...split].reverse()));
  expect(sides(messages, 'two')).not.toEqual(split);
});
