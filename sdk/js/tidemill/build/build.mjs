// Makes a WebAssembly component of a plugin, or runs its unit tests.
//
//     node build.mjs TOOLCHAIN build SOURCE OUTPUT
//     node build.mjs TOOLCHAIN test FILE...
//
// 1. esbuild bundles the source (JavaScript or TypeScript), what it imports, and the SDK into one module.
// 2. The bundle is loaded here once to read what the plugin is, so that mistakes in `about` are found before the slow part.
// 3. The lines of the author's sources are appended to it, for what is logged of errors.
// 4. componentize-js runs the bundle in its engine and takes an image of the memory; that image is the component.
//
// Invariant: OUTPUT is replaced in one step, and only by a complete component.

import { spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { linesOf } from './lines.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const sdk = dirname(here);
const [toolchain, command, ...files] = process.argv.slice(2);
const tool = (file) => import(pathToFileURL(join(resolve(toolchain), 'node_modules', file)));
const { build: esbuild } = await tool('esbuild/lib/main.js');
const work = mkdtempSync(join(tmpdir(), 'tidemill-'));

/** Bundles `entry`, given as code, for `platform`. */
function bundle(code, outfile, platform) {
  const stdin = { contents: code, resolveDir: process.cwd(), loader: 'js' };
  return esbuild({
    stdin,
    outfile,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    platform,
    external: ['tidemill:abi', 'node:*'],
    sourcemap: 'external',
    sourcesContent: false,
    logLevel: 'warning',
  });
}

const moduleOf = (file) => JSON.stringify(resolve(file));

async function buildPlugin(source, output) {
  const about = join(sdk, 'src/about.js');
  const facts = join(work, 'facts.mjs');
  await bundle(
    `import Plugin from ${moduleOf(source)};
     import { checked, worldOf } from ${moduleOf(about)};
     checked(Plugin);
     export const world = worldOf(Plugin);`,
    facts,
    'node',
  );
  const { world } = await import(pathToFileURL(facts));

  const main = join(work, 'plugin.js');
  await bundle(
    `import ${moduleOf(join(here, 'sealed.js'))};
     import * as abi from 'tidemill:abi';
     import Plugin from ${moduleOf(source)};
     import { serve } from ${moduleOf(join(sdk, 'src/guest.js'))};
     export const plugin = serve(Plugin, abi);`,
    main,
    'neutral',
  );
  // Dependencies and the SDK are not the author's.
  const isOwn = (file) => !file.startsWith(sdk + sep) && !file.split(sep).includes('node_modules');
  const lines = linesOf(JSON.parse(readFileSync(`${main}.map`, 'utf8')), main, isOwn);
  appendFileSync(main, `globalThis[Symbol.for('tidemill:lines')] = ${JSON.stringify(lines)};\n`);
  const component = await componentOf(main, world);
  const beside = `${output}.new`;
  writeFileSync(beside, component);
  renameSync(beside, output);
}

async function componentOf(main, world) {
  const { componentize } = await tool('@bytecodealliance/componentize-js/src/componentize.js');
  const { default: wizer } = await tool('@bytecodealliance/wizer/index.js');
  const wizerBin = join(work, 'wizer.sh');
  copyFileSync(join(here, 'wizer.sh'), wizerBin);
  chmodSync(wizerBin, 0o755);
  const { component } = await componentize({
    sourcePath: main,
    witPath: join(sdk, 'plugin.wit'),
    worldName: world,
    engine: join(resolve(toolchain), 'engine.wasm'),
    wizerBin,
    env: { PATH: process.env.PATH, TIDEMILL_BINDINGS: join(here, 'bindings.js'), TIDEMILL_WIZER: wizer },
    disableFeatures: ['stdio', 'random', 'clocks', 'http', 'fetch-event'],
  });
  return component;
}

async function runTests(tests) {
  const bundles = tests.map((_, i) => join(work, `${i}.test.mjs`));
  for (const [i, test] of tests.entries()) await bundle(`import ${moduleOf(test)};`, bundles[i], 'node');
  const { status } = spawnSync(process.execPath, ['--test', ...bundles], { stdio: 'inherit' });
  return status ?? 1;
}

try {
  if (command === 'test') process.exitCode = await runTests(files);
  else await buildPlugin(...files);
} catch (error) {
  // esbuild has already shown its own errors, with the place.
  if (!error.errors) console.error(error.stack ?? String(error));
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
