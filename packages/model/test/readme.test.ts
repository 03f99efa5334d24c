import { testReadme } from '../../../test/readme.js';

testReadme(new URL('../README.md', import.meta.url), (name) => import(/* @vite-ignore */ name));
