import { readFileSync } from 'node:fs';
import { packageFolder } from './folder.js';

/** Version of this package: what results are made by, and what workers must agree on. */
export const version: string = (JSON.parse(readFileSync(new URL('package.json', packageFolder), 'utf8')) as { version: string }).version;
