import { ContentError, named } from '../file-reading.js';
import { readSafetensors } from '../safetensors.js';

/** Prepared images from a file. */
export interface Pixels {
  /** images, 3, height, width */
  shape: readonly [number, 3, number, number];
  /** the numbers, row-major, normalised as the model wants them */
  pixels: Float32Array<ArrayBuffer>;
}

/**
 * Reads prepared images from a safetensors file: its tensor `pixels`, F32, images × 3 × height × width.
 * @throws CheckpointError naming the file: no such tensor, another type or shape, numbers that are NaN or infinite
 */
export async function readPixels(path: string): Promise<Pixels> {
  await using file = await readSafetensors(path);
  const tensor = file.tensors.get('pixels');
  return await named(path, 'pixels', async () => {
    if (!tensor) throw new ContentError(`it has no tensor "pixels"; it has ${[...file.tensors.keys()].join(', ') || 'none'}`);
    const { dtype, shape } = tensor;
    const wanted = 'F32 of [images, 3, height, width] is needed';
    if (dtype !== 'F32' || shape.length !== 4 || shape[1] !== 3 || shape.includes(0))
      throw new ContentError(`its "pixels" are ${dtype} of [${shape.join(', ')}]; ${wanted}`);
    const pixels = (await tensor.read()) as Float32Array<ArrayBuffer>;
    const bad = pixels.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      const each = pixels.length / shape[0]!;
      throw new ContentError(
        `number ${bad % each} of image ${Math.floor(bad / each)} of its "pixels" is ${pixels[bad]}; finite ones are needed`,
      );
    }
    return { shape: shape as Pixels['shape'], pixels };
  });
}
