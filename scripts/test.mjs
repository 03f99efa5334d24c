// npm test [-- vitest filters]: sets everything up, then runs every test, C++ and TypeScript.
import { join } from 'node:path';
import { Counts } from './counts.mjs';
import { root, setUp } from './setup.mjs';

setUp();
const counts = new Counts();
const filters = process.argv.slice(2);
if (filters.length === 0) {
  // this machine's best instruction-set level only; test:long runs the others
  counts.native('C++ tests', join(root, 'native/build/RelWithDebInfo/native_test'), { env: { NATIVE_TEST_LEVELS: 'best' } });
}
counts.vitest('TypeScript tests', filters);
counts.close();
