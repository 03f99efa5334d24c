import { element, escapeText, round } from './markup.js';

/** A part of an SVG picture: its size in pixels and its markup, drawn from (0, 0) down and right. */
export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly body: string;
}

/** What a label looks like; `anchor` is the SVG text-anchor, `rotate` turns about its own point (degrees). */
export interface LabelStyle {
  readonly size?: number;
  readonly weight?: number;
  readonly fill?: string;
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly rotate?: number;
}

/** Colours of everything that is not data; dark on white, all above 4.5:1 but the hairlines. */
export const INK = '#1f2328';
export const QUIET = '#59636e';
export const HAIRLINE = '#d8dce1';

const SANS = 'system-ui, -apple-system, Segoe UI, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif';

/** Width in pixels that a sans-serif label of this size takes, by rule of thumb (0.56 em a character). */
export function labelWidth(text: string, size = 12): number {
  return 0.56 * size * text.length;
}

/** A line of sans-serif text whose baseline starts at (x, y). */
export function label(x: number, y: number, text: string, style: LabelStyle = {}): string {
  const { size = 12, weight, fill = INK, anchor, rotate } = style;
  const transform = rotate === undefined ? undefined : `rotate(${round(rotate)} ${round(x)} ${round(y)})`;
  const attributes = { x, y, 'font-size': size, 'font-weight': weight, fill, 'text-anchor': anchor, transform };
  return element('text', attributes, escapeText(text));
}

/** Words of `text` on as many lines as `width` pixels ask for; a word longer than a line stays whole. */
export function paragraph(text: string, width: number, style: LabelStyle = {}): Drawing {
  const { size = 12 } = style;
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && labelWidth(`${last} ${word}`, size) <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  const step = 1.45 * size;
  const body = lines.map((line, index) => label(0, (index + 0.75) * step, line, style)).join('');
  return { width, height: lines.length * step, body };
}

/** `drawing` moved to (x, y). */
export function place(drawing: Drawing, x: number, y: number): string {
  return element('g', { transform: `translate(${round(x)} ${round(y)})` }, drawing.body);
}

/** Drawings one below the other, `gap` pixels apart. */
export function stack(drawings: readonly Drawing[], gap: number): Drawing {
  let y = 0;
  const parts = drawings.map((drawing) => {
    const markup = place(drawing, 0, y);
    y += drawing.height + gap;
    return markup;
  });
  return { width: Math.max(0, ...drawings.map(({ width }) => width)), height: Math.max(0, y - gap), body: parts.join('') };
}

/** A whole SVG document on white with a margin; `title` is what a screen reader says. It refers to nothing outside itself. */
export function svgDocument(drawing: Drawing, title: string, margin = 12): string {
  const width = Math.ceil(drawing.width + 2 * margin);
  const height = Math.ceil(drawing.height + 2 * margin);
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: 'img',
    'aria-label': title,
    'font-family': SANS,
  };
  const paper = element('rect', { width, height, fill: '#ffffff' });
  return element('svg', attributes, `${element('title', {}, escapeText(title))}${paper}${place(drawing, margin, margin)}`);
}

/** A drawing as SVG inside a page: no paper of its own, as wide as there is room up to its size. `title` is what a screen reader says. */
export function svgFragment({ width, height, body }: Drawing, title: string): string {
  const attributes = {
    viewBox: `0 0 ${round(width)} ${round(height)}`,
    width,
    height,
    role: 'img',
    'aria-label': title,
    'font-family': SANS,
  };
  return element('svg', attributes, `${element('title', {}, escapeText(title))}${body}`);
}
