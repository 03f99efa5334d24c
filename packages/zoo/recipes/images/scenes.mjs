// Scenes whose answer lies in a known place: one garment, the labelled object, and up to two handwritten digits that mean nothing, on a
// background with the texture of other garments. Only +, −, ×, ÷ and square roots are used: the same seed gives the same bytes anywhere.
import { SIDE } from './datasets.mjs';
import { draws } from './draws.mjs';

/** Side of a scene in pixels. */
export const SCENE = 56;
/** Garments whose middle is cloth: T-shirt, pullover, dress, coat, shirt, bag. */
const CLOTH = [0, 2, 3, 4, 6, 8];
/** How often a place is sought for a digit before it is left out. */
const TRIES = 40;

/**
 * Scenes from the images of one split. The label is the class of the garment, each class as often as the others; digits, background,
 * sizes and places do not depend on it.
 * @param {{ garments: Split, digits: Split }} sources of datasets.mjs
 * @param {number} count
 * @param {string} seed
 * @returns {{ images: Uint8Array, labels: Uint8Array, masks: Uint8Array }} images and masks count × 56 × 56; a mask is 0 on the
 *   background, 1 on the garment, 2 and 3 on the digits
 */
export function composeScenes({ garments, digits }, count, seed) {
  const ofClass = Array.from({ length: 10 }, () => []);
  garments.labels.forEach((label, i) => ofClass[label].push(i));
  const cloth = CLOTH.flatMap((label) => ofClass[label]);
  const area = SCENE ** 2;
  const scenes = { images: new Uint8Array(count * area), labels: new Uint8Array(count), masks: new Uint8Array(count * area) };
  for (let i = 0; i < count; i++) {
    const draw = draws(`${seed}/${i}`);
    const label = i % 10;
    const pick = (list) => list[draw.whole(list.length)];
    const scene = {
      image: background(draw, () => imageOf(garments, pick(cloth))),
      mask: scenes.masks.subarray(i * area, (i + 1) * area),
    };
    place(draw, scene, layer(draw, garmentOf(imageOf(garments, pick(ofClass[label]))), draw.between(0.8, 1.2)), 1);
    for (let digit = draw.whole(3); digit > 0; digit--) {
      const shape = digitOf(imageOf(digits, draw.whole(digits.count)), draw.between(0.75, 1));
      place(draw, scene, layer(draw, shape, draw.between(0.7, 1)), digit + 1);
    }
    scenes.images.set(scene.image.map(Math.round), i * area);
    scenes.labels[i] = label;
  }
  return scenes;
}

const imageOf = ({ images }, index) => images.subarray(index * SIDE ** 2, (index + 1) * SIDE ** 2);

/** A garment and what it covers: all but the black that is connected to the border. */
export function garmentOf(image) {
  const outside = new Uint8Array(SIDE ** 2);
  const stack = [];
  const visit = (x, y) => {
    const at = y * SIDE + x;
    if (x < 0 || y < 0 || x >= SIDE || y >= SIDE || outside[at] || image[at] >= 16) return;
    outside[at] = 1;
    stack.push(at);
  };
  for (let i = 0; i < SIDE; i++) for (const [x, y] of [[i, 0], [i, SIDE - 1], [0, i], [SIDE - 1, i]]) visit(x, y); // prettier-ignore
  while (stack.length > 0) {
    const at = stack.pop();
    const [x, y] = [at % SIDE, Math.floor(at / SIDE)];
    for (const [right, down] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) visit(x + right, y + down); // prettier-ignore
  }
  return { light: image.map((value, i) => (outside[i] ? 0 : value)), cover: outside.map((is) => 255 * (1 - is)) };
}

/** A digit covers as much as it is bright. */
const digitOf = (image, gain) => ({ light: image.map((value) => value * gain), cover: image });

/** An object turned by up to 15 degrees and scaled, cut to what it covers: light and cover (0 to 1) of each pixel. */
function layer(draw, { light, cover }, scale) {
  const [cos, sin] = rotation(draw.between(-0.13, 0.13));
  const side = 50; // 28 · 1.2 · √2, and a margin
  const values = Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [(i % side) - side / 2 + 0.5, Math.floor(i / side) - side / 2 + 0.5];
    const [u, v] = [(cos * x + sin * y) / scale + SIDE / 2 - 0.5, (cos * y - sin * x) / scale + SIDE / 2 - 0.5];
    return { light: between(light, u, v), cover: between(cover, u, v) / 255 };
  });
  const covered = values.flatMap((value, i) => (value.cover >= 0.5 ? [i] : []));
  const [columns, rows] = [covered.map((i) => i % side), covered.map((i) => Math.floor(i / side))];
  const [left, top] = [Math.min(...columns), Math.min(...rows)];
  const [width, height] = [Math.max(...columns) - left + 1, Math.max(...rows) - top + 1];
  const cut = Array.from({ length: width * height }, (_, i) => values[(top + Math.floor(i / width)) * side + left + (i % width)]);
  return { width, height, pixels: cut };
}

/** Cosine and sine of an angle from the tangent of its half. */
const rotation = (t) => [(1 - t * t) / (1 + t * t), (2 * t) / (1 + t * t)];

/** Lays an object on a scene, all of it inside; where others lie, elsewhere, and if no place is free, not at all. */
function place(draw, { image, mask }, { width, height, pixels }, number) {
  for (let tries = 0; tries < TRIES; tries++) {
    const [left, top] = [draw.whole(SCENE - width + 1), draw.whole(SCENE - height + 1)];
    const at = (i) => (top + Math.floor(i / width)) * SCENE + left + (i % width);
    if (pixels.some(({ cover }, i) => cover > 0 && touches(mask, at(i)))) continue;
    pixels.forEach(({ light, cover }, i) => {
      image[at(i)] = Math.min(255, light + image[at(i)] * (1 - cover));
      if (cover >= 0.5) mask[at(i)] = number;
    });
    return;
  }
}

/** Whether a pixel or one of its eight neighbours belongs to an object. */
function touches(mask, at) {
  const [x, y] = [at % SCENE, Math.floor(at / SCENE)];
  for (let row = Math.max(0, y - 1); row <= Math.min(SCENE - 1, y + 1); row++)
    for (let column = Math.max(0, x - 1); column <= Math.min(SCENE - 1, x + 1); column++) if (mask[row * SCENE + column]) return true;
  return false;
}

/** Two pieces of cloth, enlarged by different factors, turned and laid over each other, with a mean and a contrast of their own. */
function background(draw, nextCloth) {
  const coarse = cloth(draw, nextCloth(), draw.between(5, 9));
  const fine = cloth(draw, nextCloth(), draw.between(1.5, 3.5));
  const mixed = coarse.map((value, i) => 0.6 * value + 0.4 * fine[i]);
  const mean = mixed.reduce((sum, value) => sum + value, 0) / mixed.length;
  const deviation = Math.sqrt(mixed.reduce((sum, value) => sum + (value - mean) ** 2, 0) / mixed.length) || 1;
  const [light, contrast] = [draw.between(40, 150), draw.between(10, 30)];
  return mixed.map((value) => Math.min(255, Math.max(0, ((value - mean) / deviation) * contrast + light)));
}

/** The middle of a garment, enlarged and turned; where it ends it goes on as in a mirror. */
function cloth(draw, image, factor) {
  const [cos, sin] = rotation(draw.between(-1, 1));
  const size = 8;
  const [left, top] = [9 + draw.whole(11 - size), 7 + draw.whole(15 - size)];
  const [startX, startY] = [draw.between(0, size), draw.between(0, size)];
  const mirrored = (u) => {
    const folded = Math.abs(u) % (2 * (size - 1));
    return folded < size ? folded : 2 * (size - 1) - folded;
  };
  return Float64Array.from({ length: SCENE ** 2 }, (_, i) => {
    const [x, y] = [i % SCENE, Math.floor(i / SCENE)];
    const u = mirrored((cos * x + sin * y) / factor + startX);
    const v = mirrored((cos * y - sin * x) / factor + startY);
    return between(image, left + u, top + v);
  });
}

/** The value of an image between its pixels: bilinear, black outside. */
function between(image, u, v) {
  const [x, y] = [Math.floor(u), Math.floor(v)];
  const at = (column, row) => (column < 0 || row < 0 || column >= SIDE || row >= SIDE ? 0 : image[row * SIDE + column]);
  const [right, down] = [u - x, v - y];
  const above = at(x, y) * (1 - right) + at(x + 1, y) * right;
  return above * (1 - down) + (at(x, y + 1) * (1 - right) + at(x + 1, y + 1) * right) * down;
}
