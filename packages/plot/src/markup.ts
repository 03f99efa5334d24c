const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** A control character as its picture (U+2400…), or U+FFFD for those that have none. */
function picture(control: string): string {
  const code = control.charCodeAt(0);
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? '\u2421' : '\ufffd';
}

/**
 * Text that is safe in HTML and XML, in content and in attributes. What XML cannot hold is shown instead of dropped:
 * control characters as their pictures, half surrogate pairs as U+FFFD. Tab and line feed stay.
 */
export function escapeText(text: string): string {
  return text
    .replace(/[\ud800-\udfff\ufffe\uffff]/gu, '\ufffd')
    .replace(/(?![\t\n])\p{Cc}/gu, picture)
    .replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** A number as attribute text: at most three decimals, no exponent in the range of pictures. */
export function round(value: number): string {
  return String(Math.round(value * 1000) / 1000);
}

/** One HTML or XML element; attributes are escaped, children are markup already. An attribute that is undefined is left out. */
export function element(name: string, attributes: Readonly<Record<string, string | number | undefined>> = {}, children?: string): string {
  const list = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? round(value) : escapeText(value!)}"`);
  return `<${name}${list.join('')}${children === undefined ? '/>' : `>${children}</${name}>`}`;
}
