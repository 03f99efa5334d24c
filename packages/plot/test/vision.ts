import { parseColor, toOklab } from '../src/color.js';

/** How a person without red (protanopia) or green (deuteranopia) receptors sees colours: Viénot, Brettel and Mollon, 1999, on linear RGB. */
const MATRICES = {
  protanopia: [0.11238, 0.88762, 0, 0.11238, 0.88762, 0, 0.00401, -0.00401, 1],
  deuteranopia: [0.29275, 0.70725, 0, 0.29275, 0.70725, 0, -0.02234, 0.02234, 1],
  achromatopsia: [0.2126, 0.7152, 0.0722, 0.2126, 0.7152, 0.0722, 0.2126, 0.7152, 0.0722],
} as const;

export type Vision = keyof typeof MATRICES;

export function seenAs(color: string, vision: Vision): string {
  const linear = parseColor(color).map((channel) =>
    channel / 255 <= 0.04045 ? channel / 255 / 12.92 : ((channel / 255 + 0.055) / 1.055) ** 2.4,
  );
  const matrix = MATRICES[vision];
  const encoded = [0, 1, 2].map((row) => {
    const value = Math.min(
      1,
      Math.max(
        0,
        linear.reduce((sum, channel, column) => sum + matrix[3 * row + column]! * channel, 0),
      ),
    );
    const byte = Math.round(255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055));
    return byte.toString(16).padStart(2, '0');
  });
  return `#${encoded.join('')}`;
}

/** Euclidean distance in OKLab; 0.02 is about the least difference that one sees side by side. */
export function distance(first: string, second: string): number {
  const [a, b] = [toOklab(first), toOklab(second)];
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}
