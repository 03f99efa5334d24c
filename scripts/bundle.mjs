// The build step after `tsc -b`, run in a package's folder: the package's own modules become one file for each entry of package.json
// (`exports` and `bin`) in dist/, beside the declarations that tsc writes. Node takes about half a millisecond for every module.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { rolldown } from 'rolldown';
import { parseAst } from 'rolldown/parseAst';

/** Libraries of many small modules that go into the files of the packages that use them: zod into `schema.js` of `model` alone. */
const inlined = ['zod', 'd3-array', 'd3-format', 'd3-scale', 'pure-rand'];

/** Packages with a second entry that takes a part of what the first is made of. */
const shared = ['@hidden-attention/explain', '@hidden-attention/evaluate'];

const { name, exports, bin } = JSON.parse(readFileSync('package.json', 'utf8'));
const outputs = [...Object.values(exports).flatMap((entry) => entry.default ?? []), ...Object.values(bin ?? {})];
const input = Object.fromEntries(outputs.map((path) => /^\.\/dist\/(.*)\.js$/.exec(path)[1]).map((entry) => [entry, `src/${entry}.ts`]));
const inlines = (specifier) => inlined.some((library) => specifier === library || specifier.startsWith(`${library}/`));
const helpers = (specifier) => specifier.startsWith('@oxc-project/runtime/'); // what `using` is compiled to
const inside = (importer) => importer?.includes('/node_modules/');

/**
 * Marks what the package's own modules compute for their constants as free of side effects, which `sideEffects: false` says of whole
 * modules: who bundles a part of this package can then leave the rest out although it stands in one file.
 */
const pure = {
  name: 'pure',
  transform(code, id, { magicString: text }) {
    if (inside(id)) return null;
    const statements = parseAst(code, { lang: 'ts' }).body.map((statement) => statement.declaration ?? statement);
    for (const { init } of statements.flatMap(({ type, declarations }) => (type === 'VariableDeclaration' ? declarations : [])))
      if (isCall(init) && init.callee.type === 'Identifier' && !init.arguments.some(calls)) text.appendLeft(init.start, '/* @__PURE__ */ ');
      else if (calls(init)) text.appendLeft(init.start, '/* @__PURE__ */ (() => (').appendRight(init.end, '))()');
    return { code: text };
  },
};

const isCall = (node) => ['CallExpression', 'NewExpression'].includes(node?.type);
/** Whether an expression calls anything when it is evaluated. */
const calls = (node) =>
  typeof node === 'object' && node !== null && !/Function/.test(node.type) && (isCall(node) || Object.values(node).some(calls));

/** Whether the entry `.` imports a module, directly or through others. */
const isOfIndex = (id, context) =>
  id === resolve('src/index.ts') || context.getModuleInfo(id).importers.some((importer) => isOfIndex(importer, context));

const bundle = await rolldown({
  plugins: [pure],
  experimental: { nativeMagicString: true },
  input,
  platform: 'node',
  transform: { target: 'node20.19' }, // Node 20 has no `using`
  external: (specifier, importer) => !/^[./]/.test(specifier) && !inlines(specifier) && !helpers(specifier) && !inside(importer),
  // modules of the package register things when they run; what lies in libraries says by itself whether it may be left out
  treeshake: { moduleSideEffects: (id, external) => (external ? false : !inside(id) || null) },
});
const { output } = await bundle.write({
  dir: 'dist',
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
  sourcemap: true,
  // d3's modules apart from the package's own, so that who bundles what does not need them leaves their file out; what `.` is made of
  // together, so that it imports others once
  codeSplitting: {
    groups: [
      { name: 'libraries', test: (id) => inside(id) && !/\/(zod|pure-rand)\//.test(id) },
      ...(shared.includes(name) ? [{ debugName: 'index', name: (id, context) => (isOfIndex(id, context) ? 'package' : null) }] : []),
    ],
  },
  charset: 'ascii', // Node reads a file of ASCII alone faster
  comments: { legal: true, annotation: true, jsdoc: false },
});
await bundle.close();

// the licences of what went into the files
const folderOf = (id) => /^.*\/node_modules\/(@[^/]+\/)?[^/]+/.exec(id)?.[0];
const libraries = new Set(output.flatMap(({ moduleIds = [] }) => moduleIds.map(folderOf)).filter((folder) => folder !== undefined));
const licenceOf = (folder) => {
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((own) => /^licen[cs]e/i.test(own));
  return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
};
if (libraries.size > 0) writeFileSync('dist/licenses.txt', [...libraries].map(licenceOf).sort().join('\n\n'));

// what an earlier build left in dist/ beside the declarations
const written = new Set(output.map(({ fileName }) => fileName));
for (const file of readdirSync('dist', { recursive: true }))
  if (/\.js(\.map)?$/.test(file) && !written.has(file)) rmSync(join('dist', file));
