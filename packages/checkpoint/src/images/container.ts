/** What a file says about its picture before anything is decoded. */
export interface Container {
  format: 'PNG' | 'JPEG' | 'WebP';
  /** in pixels, as stored: before the orientation is applied */
  width: number;
  height: number;
  /** how the stored picture is to be turned: 1 to 8, Exif 2.32 table 6 ("Orientation") */
  orientation: number;
  /** pictures of an animation; 1 where there is none */
  frames: number;
}
