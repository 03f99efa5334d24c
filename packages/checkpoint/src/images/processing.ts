import { readFile } from 'node:fs/promises';
import * as z from '@hidden-attention/model/schema';
import { CheckpointError, fileTrouble } from '../errors.js';
import { filters } from './resample.js';

const side = (): z.ZodNumber => z.number().int().min(1).max(8000);
const rectangle = () => z.strictObject({ height: side(), width: side() });
const square = () => side().transform((length) => ({ height: length, width: length }));
const channels = (value: z.ZodNumber): z.ZodTuple<[z.ZodNumber, z.ZodNumber, z.ZodNumber], null> =>
  z.tuple([value, value, value], { error: 'three numbers, one a channel, are needed' });
const resampleNames = Object.entries(filters).map(([number, { name }]) => `${number} (${name})`);

const fields = () => ({
  do_resize: z.boolean().default(true),
  size: z.union([rectangle(), z.strictObject({ shortest_edge: side() }), square()], {
    error: 'height and width, or shortest_edge, are needed: whole numbers from 1 to 8000',
  }),
  resample: z
    .number()
    .refine((number) => filters[number] !== undefined, `needed is one of ${resampleNames.join(', ')}`)
    .default(2),
  do_center_crop: z.boolean().default(false),
  crop_size: z.union([rectangle(), square()], { error: 'height and width are needed: whole numbers from 1 to 8000' }).optional(),
  do_rescale: z.boolean().default(true),
  rescale_factor: z
    .number()
    .positive()
    .default(1 / 255),
  do_normalize: z.boolean().default(true),
  image_mean: channels(z.number()).default([0.5, 0.5, 0.5]),
  image_std: channels(z.number().positive()).default([0.5, 0.5, 0.5]),
});

/**
 * How an image becomes a model's input: the fields of Hugging Face's preprocessor_config.json for ViTImageProcessor, in the order in
 * which they act. `JSON.stringify` of it is such a file.
 */
export interface ImageProcessing {
  do_resize: boolean;
  /** both sides, or the shorter one: the other then keeps the ratio */
  size: { height: number; width: number } | { shortest_edge: number };
  /** kernel: 2 bilinear, 3 bicubic */
  resample: number;
  do_center_crop: boolean;
  /** what is cut out of the middle; what the picture lacks is black */
  crop_size?: { height: number; width: number } | undefined;
  /** numbers from 0 to 255 times `rescale_factor` */
  do_rescale: boolean;
  rescale_factor: number;
  /** less the mean, divided by the standard deviation: one a channel */
  do_normalize: boolean;
  image_mean: [number, number, number];
  image_std: [number, number, number];
}

/** Steps that other processors have, harmless here: images come as RGB, and there is no segmentation map. */
const harmless = ['do_convert_rgb', 'do_reduce_labels'];

/**
 * Checks the fields of a preprocessor_config.json. Absent fields and nulls take the defaults of ViTImageProcessor; where the file is of
 * another processor, whose defaults differ, none may be absent.
 * @param from what an error names: the file
 * @throws CheckpointError with each field that does not fit, the value seen and the value needed; for steps that are not known (`do_…`)
 */
export function parseImageProcessing(json: unknown, from = 'preprocessor_config.json'): ImageProcessing {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new CheckpointError(`${from} holds ${JSON.stringify(json)}; a JSON object is needed`);
  const given = Object.fromEntries(Object.entries(json).filter(([, value]) => value !== null));
  const known = fields();
  const problems = [...unknownSteps(given, Object.keys(known)), ...absentFields(given, Object.keys(known))];
  const parsed = z.object({ ...known, size: known.size.default({ height: 224, width: 224 }) }).safeParse(given);
  if (!parsed.success)
    for (const { path, message } of parsed.error.issues)
      problems.push(`${path.join('.')} is ${JSON.stringify(at(given, path))}: ${message}`);
  else if (parsed.data.do_center_crop && !parsed.data.crop_size)
    problems.push('do_center_crop is true and crop_size is absent; give crop_size: {"height": …, "width": …}');
  if (problems.length > 0) throw new CheckpointError(`${from}: ${problems.join('; ')}`);
  return parsed.data!;
}

/** Reads and checks a preprocessor_config.json. @throws CheckpointError naming the file and what is wrong with it */
export async function readImageProcessing(path: string): Promise<ImageProcessing> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new CheckpointError(`cannot read ${path}: ${fileTrouble(error)}; the folder of an image model holds preprocessor_config.json`, {
      cause: error,
    });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CheckpointError(`${path} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  return parseImageProcessing(json, path);
}

function unknownSteps(given: Readonly<Record<string, unknown>>, known: readonly string[]): string[] {
  return Object.entries(given)
    .filter(([name, value]) => name.startsWith('do_') && !known.includes(name) && !harmless.includes(name) && value !== false)
    .map(([name, value]) => `${name} is ${JSON.stringify(value)}: this step is not known; false is needed`);
}

function absentFields(given: Readonly<Record<string, unknown>>, known: readonly string[]): string[] {
  const type = String(given['image_processor_type'] ?? given['feature_extractor_type'] ?? 'ViTImageProcessor');
  if (/^ViT(ImageProcessor(Fast|Pil)?|FeatureExtractor)$/.test(type)) return [];
  return known
    .filter((name) => !(name in given) && !(name === 'crop_size' || name === 'do_center_crop'))
    .map((name) => `${name} is absent, and the default of ${type} is not known here`);
}

const at = (json: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], json);
