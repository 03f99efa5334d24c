// From a raw e-mail to the text that the classifier reads: the subject and the body, as a reader would see them.
import { isUtf8 } from 'node:buffer';
import { convert } from 'html-to-text';
import PostalMime from 'postal-mime';

const HTML = {
  wordwrap: false,
  selectors: [
    { selector: 'a', options: { ignoreHref: true } },
    { selector: 'img', format: 'skip' },
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: { uppercase: false } })),
  ],
};

/**
 * Decodes one raw message (RFC 5322, MIME) to "Subject: ...\n\nbody". Of the headers only the subject stays.
 * The body is the plain text part, or the HTML part as text where there is none; attachments are dropped.
 * @param {Uint8Array} raw bytes, with or without the mbox line "From ..." before the headers
 * @returns {Promise<string>} the text; the empty string if neither part holds a word
 */
export async function messageText(raw) {
  const email = await PostalMime.parse(withKnownCharset(withoutMboxLine(raw)));
  const readable = !hasWord(email.text) ? fromHtml(email.html ?? '') : isHtml(email.text) ? fromHtml(email.text) : email.text;
  const body = withoutListMarks(tidy(readable));
  return hasWord(body) ? `Subject: ${subjectLine(email.subject ?? '')}\n\n${body}` : '';
}

/** One line, without the list's name in brackets. */
function subjectLine(subject) {
  return tidy(subject)
    .replace(/\s+/g, ' ')
    .replace(/^((?:re|fwd?):\s*)*\[[\w .-]{2,24}\]\s*/i, '$1');
}

/** LF; no control or invisible characters; one space at most; no space at the ends of lines; one blank line at most. */
export function tidy(text) {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[^\P{Cc}\t\n]|[\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]/gu, '')
    .replace(/[^\S\n]+/g, ' ')
    .replace(/ *\n */g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

/** Begins a line: any depth of quotation. */
const QUOTE = '^(?:>[> ]*)?';
const LIST_MARKS = [
  [/^URL: \S+\nDate: .*\n/, ''], // a news feed turned into mail
  [rule(`-{40,}\\n${QUOTE}.*(?:sf|sourceforge)\\.net.*(?:\\n${QUOTE}(?!_{30,}).+){0,6}`), ''], // SourceForge's advertisement
  [rule(`-{5,}.*Yahoo! Groups Sponsor.*(?:\\n.*){0,8}?\\n${QUOTE}-{20,}.*`), ''],
  [rule('To unsubscribe from this group, send an email to:\\n.*'), ''],
  [rule('Your use of Yahoo! Groups is subject to .*'), ''],
  [rule(`_{30,}\\n${QUOTE}.*mailing list.*(?:\\n${QUOTE}\\S+@\\S+)?`), ''], // Mailman's footer
  [rule("Irish Linux Users' Group.*@linux\\.ie.*"), ''],
  [rule('https?://\\S+/listinfo/.*'), ''],
  [rule('List maintainer: .*'), ''],
  [rule('--DeathToSpamDeathToSpamDeathToSpam--'), ''], // a relay's mark, on spam alone
  [/(?:^[A-Za-z0-9+/]{60,}={0,2}\n){3,}/gm, ''], // an attachment that the sender's MIME failed to mark as one
  [/(?:\n(?:>[> ]*)?(?:--|[_-]{30,})?)+$/, ''], // what the footer stood under
];

function rule(source) {
  return new RegExp(`${QUOTE}${source}$`, 'gim');
}

/**
 * Takes out what mailing lists, feeds and relays add to every message: it tells the label by the channel's habit, not by
 * what was written. Footers of Mailman and Yahoo Groups, SourceForge's advertisement, the "URL: / Date:" lines of feeds.
 */
export function withoutListMarks(text) {
  return LIST_MARKS.reduce((left, [mark, nothing]) => tidy(left.replace(mark, nothing)), text);
}

function hasWord(text) {
  return /[\p{L}\p{N}]/u.test(text ?? '');
}

/** Some spam calls its HTML text/plain. */
function isHtml(text) {
  return /<(html|body|table)\b/i.test(text) && /<\/(html|body|table)>/i.test(text);
}

function fromHtml(html) {
  return convert(html, HTML);
}

/** A message that names no character set and is not UTF-8 is read as windows-1252, as mail programs do. */
function withKnownCharset(raw) {
  if (/charset=/i.test(Buffer.from(raw).toString('latin1')) || isUtf8(raw)) return raw;
  return Buffer.from(new TextDecoder('windows-1252').decode(raw));
}

function withoutMboxLine(raw) {
  const isMbox = Buffer.from(raw.subarray(0, 5)).toString('latin1') === 'From ';
  return isMbox ? raw.subarray(raw.indexOf(10) + 1) : raw;
}
