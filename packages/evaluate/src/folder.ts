/** The folder of this package. This module stays at the top of `src`: built, it is a part of `dist/index.js`. */
export const packageFolder: URL = new URL('..', import.meta.url);
