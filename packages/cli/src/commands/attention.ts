import { extname } from 'node:path';
import {
  attentionView,
  longRow,
  type ChannelChoice,
  type LayerView,
  type LongRowOptions,
  type Part,
  type Reduce,
} from '@hidden-attention/attention';
import { writeSafetensors, type LoadedModel, type SafetensorsInput } from '@hidden-attention/checkpoint';
import { batchOfImages } from '@hidden-attention/explain';
import { Option, type Command } from 'commander';
import { UsageError } from '../errors.js';
import { checkInputFlags, readInput, readPictures, type InputFlags } from '../input.js';
import { resolveModel } from '../models.js';
import { addModelAndInput, type ModelFlags } from '../options.js';
import { checkOutput } from '../output.js';
import { findPlace, parsePlace } from '../positions.js';
import { progressBar } from '../progress.js';
import { parseNumber, parseRanges } from '../ranges.js';
import { writeAttentionPicture, type AttentionQuery } from './attention-picture.js';

interface Flags extends InputFlags, ModelFlags {
  layers: string;
  row?: string;
  column?: string;
  matrix?: boolean;
  of: Part;
  reduce?: Reduce;
  channels?: string;
  piece?: string;
  out: string;
}

/** `attention`: rows, columns or matrices of the hidden attention, as safetensors; rows and columns of an image also over it. */
export function add(command: Command, program: Command): void {
  addModelAndInput(command)
    .requiredOption('--layers <LIST>', 'layers such as 0,2-3, or all')
    .option('--row <I>', "what position I reads (negative from each row's end, or last; of an image also class, or patch:ROW,COLUMN)")
    .option('--column <J>', 'what is read of position J, named in the same way')
    .option('--matrix', 'all of it: quadratic in the length')
    .addOption(
      new Option('--of <PART>', 'the bare scan, the whole block exactly, or the block as published')
        .choices(['scan', 'block', 'unified'])
        .default('scan'),
    )
    .addOption(new Option('--reduce <HOW>', 'a mean over the channels (the default is mean)').choices(['mean', 'meanAbs', 'meanPositive']))
    .option('--channels <LIST>', 'channels each by itself: 0-7,12, or all')
    .option('--piece <N>', 'with --row: read the text in pieces of N positions, the state carried, in the memory of one: for long texts')
    .requiredOption(
      '--out <F>',
      'a .safetensors file; of one image also .svg or .png, its layers side by side, or .html, one after another',
    )
    .action(async (flags: Flags) => {
      checkInputFlags(flags);
      const out = checkOutput(flags.out, ['.safetensors', '.svg', '.png', '.html']);
      const query = queryOf(flags);
      const { name, choice, place } = query;
      const drawn = extname(out).toLowerCase() !== '.safetensors';
      if (drawn && (name === 'matrix' || (flags.image?.length ?? 1) > 1 || (flags.image === undefined && flags.pixels === undefined)))
        throw new UsageError(`--out ${out}: rows and columns of one image are drawn; for anything else write a .safetensors file`);
      const piece = flags.piece === undefined ? undefined : parseNumber('--piece', flags.piece, { integer: true, minimum: 1 });
      if (piece !== undefined && (name !== 'row' || flags.of !== 'scan')) throw new UsageError('--piece goes with --row I of the scan');
      const wanted = parseRanges('--layers', flags.layers);
      const loaded = await resolveModel(flags.model, program.opts<{ device?: string }>().device, flags.dtype);
      const pictures = await readPictures(flags, loaded);
      const batch = pictures
        ? batchOfImages(loaded.model, pictures.images)
        : loaded.model.batch((await readInput(flags, loaded)).map(({ ids }) => ids));
      const position = place === undefined ? undefined : findPlace(`--${name}`, place, batch);
      if (piece !== undefined)
        return writeLongRows(out, flags, loaded, { piece, position: position!, ...choice, ...(wanted ? { layers: wanted } : {}) });
      const layers = wanted ?? Array.from({ length: loaded.model.config.layers }, (_, layer) => layer);
      using view = await attentionView(loaded.model, batch);
      const chosen = layers.map((layer) => view.layer(layer)); // refuses a layer that does not exist before work starts
      const progress = progressBar('attention');
      const tensors: SafetensorsInput[] = [];
      for (const [done, layer] of chosen.entries()) {
        for (const [where, own] of waysOf(layer)) {
          const part = own.of(flags.of);
          const tensor = name === 'matrix' ? part.matrix(choice) : part[name](position!, choice);
          tensors.push({ name: `layers.${layer.index}.${where}${name}`, dtype: 'F32', shape: tensor.shape, data: await tensor.read() });
          tensor.dispose();
        }
        progress.update(done + 1, chosen.length, `layer ${layer.index}`);
      }
      progress.stop();
      if (drawn) return writeAttentionPicture(out, { query, of: flags.of, layers: chosen, tensors, batch, shown: pictures!.images });
      await writeSafetensors(out, tensors);
      process.stdout.write(`${tensors.map((tensor) => `${tensor.name} [${tensor.shape.join(', ')}]`).join('\n')}\n`);
      return undefined;
    });
}

/** A row of every layer over a text of any length, one a row of the input. */
async function writeLongRows(out: string, flags: InputFlags, loaded: LoadedModel, options: LongRowOptions): Promise<void> {
  const rows = await readInput(flags, loaded);
  if (rows.length !== 1) throw new UsageError(`--piece goes with one text; ${rows.length} rows were given`);
  const progress = progressBar('attention');
  const found = await longRow(loaded.model, rows[0]!.ids, { ...options, onProgress: (done, total) => progress.update(done, total) });
  progress.stop();
  const tensors = found.map(({ layer, shape, data }): SafetensorsInput => ({
    name: `layers.${layer}.row`,
    dtype: 'F32',
    shape: [1, ...shape],
    data,
  }));
  await writeSafetensors(out, tensors);
  process.stdout.write(`${tensors.map((tensor) => `${tensor.name} [${tensor.shape.join(', ')}]`).join('\n')}\n`);
}

/** A layer, and where it reads both ways each direction, by what stands before the name in the file. */
function waysOf(layer: LayerView): [string, Pick<LayerView, 'of'>][] {
  if (layer.kind !== 'two-way scan') return [['', layer]];
  return [
    ['', layer],
    ...(['forward', 'backward'] as const).map((way): [string, Pick<LayerView, 'of'>] => [`${way}.`, layer.direction(way)]),
  ];
}

function queryOf(flags: Flags): AttentionQuery {
  const given = (['row', 'column', 'matrix'] as const).filter((kind) => flags[kind] !== undefined);
  const [name] = given;
  if (name === undefined || given.length > 1) {
    const seen = given.length === 0 ? 'none' : given.map((kind) => `--${kind}`).join(' and ');
    throw new UsageError(`${seen} given; exactly one of --row I, --column J, --matrix is needed`);
  }
  if (flags.reduce !== undefined && flags.channels !== undefined)
    throw new UsageError('--reduce and --channels are both given; choose a mean or channels');
  const channels = flags.channels === undefined ? undefined : (parseRanges('--channels', flags.channels) ?? 'all');
  const choice: ChannelChoice = channels === undefined ? { reduce: flags.reduce ?? 'mean' } : { channels };
  return name === 'matrix' ? { name, choice } : { name, choice, place: parsePlace(`--${name}`, flags[name]!) };
}
