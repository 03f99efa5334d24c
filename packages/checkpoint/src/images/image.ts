/** A picture of 8 bits a channel. */
export interface RgbImage {
  width: number;
  height: number;
  channels: 3;
  /** red, green, blue of each pixel, row by row from the top left: width · height · 3 bytes */
  data: Uint8Array;
}

/** An empty (black) picture. */
export const blank = (width: number, height: number): RgbImage => ({
  width,
  height,
  channels: 3,
  data: new Uint8Array(width * height * 3),
});
