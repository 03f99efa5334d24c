/** An element of parsed markup. */
export interface Node {
  name: string;
  attributes: Record<string, string>;
  children: (Node | string)[];
}

const VOID = new Set(['meta', 'input']);

/**
 * A strict little parser for what this package writes: refuses unclosed, crossed and unquoted markup, so that parsing is itself a test.
 * `<style>` content is taken as it is; entities are decoded.
 */
export function parse(markup: string): Node {
  const root: Node = { name: '#root', attributes: {}, children: [] };
  const open = [root];
  const pattern = /<!doctype html>|<style>([^<]*)<\/style>|<\/([\w-]+)>|<([\w-]+)((?: [\w-]+(?::[\w-]+)?="[^"<]*")*)(\/?)>|([^<]+)/gy;
  while (pattern.lastIndex < markup.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(markup);
    if (!match) throw new SyntaxError(`markup breaks at ${at}: ${markup.slice(at, at + 60)}`);
    const [, , closing, opening, attributes = '', selfClosing, text] = match;
    const parent = open.at(-1)!;
    if (text !== undefined) parent.children.push(decode(text));
    else if (closing !== undefined) {
      if (parent.name !== closing) throw new SyntaxError(`</${closing}> closes <${parent.name}> at ${at}`);
      open.pop();
    } else if (opening !== undefined) {
      const pairs = Array.from(attributes.matchAll(/ ([\w:-]+)="([^"]*)"/g), ([, key, value]) => [key!, decode(value!)] as const);
      const node: Node = { name: opening, attributes: Object.fromEntries(pairs), children: [] };
      parent.children.push(node);
      if (!selfClosing && !VOID.has(opening)) open.push(node);
    }
  }
  if (open.length > 1) throw new SyntaxError(`<${open.at(-1)!.name}> is never closed`);
  return root;
}

function decode(text: string): string {
  if (/&(?!amp;|lt;|gt;|quot;|#39;)/.test(text)) throw new SyntaxError(`bare & in ${text.slice(0, 60)}`);
  return text
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&');
}

/** All elements below `node` for which `test` holds, in document order. */
export function all(node: Node, test: (node: Node) => boolean): Node[] {
  return node.children.flatMap((child) => (typeof child === 'string' ? [] : [...(test(child) ? [child] : []), ...all(child, test)]));
}

export const byName = (node: Node, name: string): Node[] => all(node, (child) => child.name === name);

export const byClass = (node: Node, name: string): Node[] =>
  all(node, ({ attributes }) => (attributes['class'] ?? '').split(' ').includes(name));

/** The text in `node`, tooltips (`<title>` of SVG) left out. */
export function textOf(node: Node): string {
  return node.children.map((child) => (typeof child === 'string' ? child : child.name === 'title' ? '' : textOf(child))).join('');
}
