import { expect, test } from 'vitest';
import { CheckpointError, readImage } from '../src/index.js';
import { animatedWebp, encoder, exif, jpegWithExif, png, webpWithExif } from './fixtures/images.js';
import { processorTime } from './fixtures/processor-time.js';

const cases = process.env['HIDDEN_ATTENTION_LONG'] === '1' ? 10_000 : 500;

const [width, height] = [40, 30];
const colours = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * i + (i >> 4)) % 256);
const wide = Uint8Array.from({ length: width * height * 8 }, (_, i) => (7 * i) % 256);

async function wholeFiles(): Promise<Uint8Array[]> {
  const of = encoder(width, height, colours);
  const [lossy, lossless] = [await of.webp(), await of.webpLossless()];
  return [
    await of.png(),
    png(width, height, 16, 6, wide, [['eXIf', exif(5, true)]]),
    png(width, height, 8, 3, colours.slice(0, width * height), [['PLTE', wide.slice(0, 768)]]),
    await of.jpeg(),
    jpegWithExif(await of.jpeg(40), exif(6, false)),
    lossy,
    lossless,
    webpWithExif(lossy, width, height, exif(8, true)),
    animatedWebp(width, height, [lossless, lossy]),
  ];
}

/** A damaged copy: bytes changed, cut out, put in, a part repeated, the file cut short; the first bytes, which hold sizes, more often. */
function damaged(whole: Uint8Array, next: (below: number) => number): Uint8Array {
  let bytes: Buffer = Buffer.from(whole);
  for (let rounds = 1 + next(3); rounds > 0; rounds--) {
    const at = next(next(2) === 0 ? Math.min(bytes.length, 80) : bytes.length);
    const kind = next(6);
    if (kind === 0 && bytes.length > 0) bytes[at] = next(256);
    else if (kind === 1 && bytes.length > 0) bytes[at] = [0, 0xff, 0x7f, 0x80][next(4)]!;
    else if (kind === 2) bytes = bytes.subarray(0, next(8) === 0 ? at : bytes.length);
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + next(30)))]);
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.of(0xff, 0xd8 + next(8), next(256)), bytes.subarray(at)]);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(0, at + next(40))]);
  }
  return bytes;
}

test(`${cases} damaged images: each is read or refused by name, within a second`, async () => {
  let state = 21n;
  const next = (below: number): number => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n); // Knuth's linear congruential generator
    return below === 0 ? 0 : Number(state >> 33n) % below;
  };
  const files = await wholeFiles();
  let accepted = 0;
  for (let i = 0; i < cases; i++) {
    const bytes = damaged(files[next(files.length)]!, next);
    const started = processorTime();
    try {
      const image = await readImage(bytes);
      expect(image.data.length).toBe(image.width * image.height * 3);
      accepted++;
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw new Error(`case ${i}: ${Buffer.from(bytes).toString('base64')}`, { cause: error });
    }
    const time = processorTime() - started;
    if (time > 1000) throw new Error(`case ${i} took ${time} ms: ${Buffer.from(bytes).toString('base64')}`);
  }
  // damage to the pixels themselves cannot be seen; some must get through, or the test tests nothing
  expect(accepted).toBeGreaterThan(cases / 50);
  expect(accepted).toBeLessThan(cases * 0.75);
}, 600_000);
