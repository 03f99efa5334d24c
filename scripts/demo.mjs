// The main job: a shipped model reads a real e-mail, says whether it is spam, and shows which words made it say so.
// npm run demo [-- FILE]
import { join } from 'node:path';
import { root, run, setUp } from './setup.mjs';

setUp();
const file = process.argv[2] ?? join(root, 'packages/zoo/test/fixtures/demo-spam.txt');
run(process.execPath, [
  join(root, 'packages/cli/dist/main.js'),
  ...['explain', '--model', 'zoo:mail', '--file', file, '--method', 'all', '--out', 'report.html'],
]);
