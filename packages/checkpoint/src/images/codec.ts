import { ContentError } from '../file-reading.js';

/** The library that decodes and encodes images, loaded when the first is: most models have none. */
export async function codec(): Promise<typeof import('@napi-rs/image')> {
  try {
    return await import('@napi-rs/image');
  } catch (error) {
    throw new ContentError(
      `the image library @napi-rs/image cannot be loaded on ${process.platform}-${process.arch} (${(error as Error).message.split('\n')[0]}); ` +
        'install this package again with its optional dependencies, or give pixels instead of an image',
      { cause: error },
    );
  }
}
