// What simple methods reach on the prose data, in bits per byte of the held-out text. Prints JSON.
// (a) xz -9 of training plus held-out text less xz -9 of the training text; (b) an adaptive order-5 context model.
// usage: node baselines.mjs [--data FOLDER]
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { main, outputFolder } from '../files.mjs';
import { contextModelBits } from './context-model.mjs';

/** The size of `content` packed by `xz -9`, in bytes. @param {Uint8Array} content */
export function xzSize(content) {
  return new Promise((resolve, reject) => {
    const xz = spawn('xz', ['-9', '--threads=1', '--stdout'], { stdio: ['pipe', 'pipe', 'inherit'] });
    let bytes = 0;
    xz.on('error', (error) => reject(new Error(`baselines: xz does not start (${error.code}); install xz-utils`)));
    xz.on('close', (status) => (status === 0 ? resolve(bytes) : reject(new Error(`baselines: xz ended with status ${status}`))));
    xz.stdout.on('data', (chunk) => {
      bytes += chunk.length;
    });
    xz.stdin.on('error', () => {}); // "close" tells what happened
    xz.stdin.end(content);
  });
}

async function baselines() {
  const { values } = parseArgs({ options: { data: { type: 'string', default: outputFolder('prose') } } });
  const train = await readFile(join(values.data, 'train.txt'));
  const heldOut = await readFile(join(values.data, 'heldout.txt'));
  const [alone, together] = [await xzSize(train), await xzSize(Buffer.concat([train, heldOut]))];
  const order5 = contextModelBits(train, heldOut);
  console.log(
    JSON.stringify(
      {
        data: values.data,
        trainBytes: train.length,
        heldOutBytes: heldOut.length,
        bitsPerByte: { xz: (8 * (together - alone)) / heldOut.length, order5, order5Best: Math.min(...Object.values(order5)) },
      },
      null,
      2,
    ),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(baselines);
