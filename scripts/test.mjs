// npm test [-- vitest filters]: sets everything up, then runs every test, C++ and TypeScript.
import { join } from 'node:path';
import { Counts } from './counts.mjs';
import { root, setUp } from './setup.mjs';

setUp();
const counts = new Counts();
const filters = process.argv.slice(2);
if (filters.length === 0) {
  // this machine's best instruction-set level only; test:long runs the others
  const programs = join(root, 'native/build/RelWithDebInfo');
  counts.native('C++ tests', join(programs, 'native_test'), { env: { NATIVE_TEST_LEVELS: 'best' } });
  counts.native('products in int8 on every level, without instructions for dot products', join(programs, 'native_test'), {
    env: { HIDDEN_ATTENTION_DOTS: '0', NATIVE_TEST_ONLY: 'matmulInt8' },
  });
  counts.native('products in bf16 with instructions for dot products, be they slow', join(programs, 'native_test'), {
    env: { HIDDEN_ATTENTION_DOTS: 'all', NATIVE_TEST_ONLY: 'matmul', NATIVE_TEST_LEVELS: 'best' },
  });
  counts.native('planted mistakes that the played GPU must find', join(programs, 'simt_bugs'));
  counts.native('CUDA kernels, played by the processor', join(programs, 'simt_test'));
  counts.native('recorded op calls on the CUDA kernels', join(programs, 'simt_replay'), {
    args: [join(root, 'native/check/golden.trace')],
  });
  counts.step('the GPU benchmark, small, on the played kernels', join(programs, 'simt_bench'), ['--small'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
counts.vitest('TypeScript tests', filters);
counts.close();
