import type { LoadOptions } from '@hidden-attention/checkpoint';
import { precisions } from '@hidden-attention/model';
import { Option, type Command } from 'commander';

/** Adds --model and the INPUT flags, which several commands share. */
export function addModelAndInput(command: Command): Command {
  return addModel(command)
    .option('--text <T>', 'the input as text')
    .option('--file <F>', 'the input as a text file')
    .option('--ids <F>', 'the input as a JSON file of token ids: an array, or an array of arrays')
    .option('--image <F...>', 'the input as image files (PNG, JPEG, WebP), for a model that reads images')
    .option('--pixels <F>', 'the input as a safetensors file: pixels [B, 3, H, W], normalised');
}

function addModel(command: Command): Command {
  return command.requiredOption('--model <M>', 'a folder or file, zoo:NAME, or org/name of the hub').addOption(dtypeOption());
}

/** Which model, and how it is held. */
export interface ModelFlags {
  model: string;
  dtype: NonNullable<LoadOptions['dtype']>;
}

/** --dtype: how a model's weights are held. */
export const dtypeOption = (): Option =>
  new Option('--dtype <T>', 'how weights are held; w8a8: in int8, and so what they are multiplied with; stored: as the file has them')
    .choices([...precisions, 'stored'])
    .default('f32');
