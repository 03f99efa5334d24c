import { createRequire } from 'node:module';

/** Version of this package: what results are made by, and what workers must agree on. */
export const version: string = (createRequire(import.meta.url)('../package.json') as { version: string }).version;
