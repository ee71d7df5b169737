// Writes the licences of every npm package in the extension's bundles: those of the application, which the builder's
// own list has, and those of the kernel worker, which esbuild bundles and the builder takes as a finished file.
const fs = require('fs');
const path = require('path');

/** esbuild's metafile of the kernel worker; build-worker.mjs writes it. */
const WORKER_METAFILE = path.join(__dirname, 'lib', 'kernel', 'kernel.worker.meta.json');

/** Files of the application's bundle, relative to this folder. */
const APPLICATION_FILES = path.join(__dirname, 'lib', 'application.files.json');

/** The name JupyterLab's own page of licences reads. */
const LIST = 'third-party-licenses.json';

/** Both bundlers put helpers of their own into what they write. */
const BUNDLERS = ['@rspack/core', 'esbuild'].map(name => `node_modules/${name}`);

/** Scopes whose packages come without the licence file of their repository, and the file's copy in licenses/. */
const SCOPES = { '@jupyterlab': 'jupyterlab.txt', '@jupyterlite': 'jupyterlite.txt', '@lumino': 'lumino.txt' };

/** Packages whose published files contain other packages, which no bundler sees. */
const CONTAINED = {
  json5: { file: 'core-js.txt', remark: 'Contains core-js:' },
  'mock-socket': { file: 'unshift.txt', remark: 'Contains url-parse, requires-port and querystringify:' }
};

/** The folder of the innermost package that has this file, as `node_modules/name`; undefined for the project's own. */
function packageFolder(file) {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0];
}

/** A package's licence text, with those of the packages inside its files. */
function licenseText(name, folder) {
  const texts = fs
    .readdirSync(folder)
    .filter(file => /^(licen[cs]e|copying|notice)\b/i.test(file))
    .sort()
    .map(file => read(path.join(folder, file)));
  const scope = SCOPES[name.split('/')[0]];
  if (texts.length === 0 && scope) {
    texts.push(read(path.join(__dirname, 'licenses', scope)));
  }
  if (texts.length === 0) {
    throw new Error(
      `${name} is bundled and comes without a licence text: put its repository's into licenses/ and name it in licenses.js`
    );
  }
  const contained = CONTAINED[name];
  if (contained) {
    texts.push(contained.remark, read(path.join(__dirname, 'licenses', contained.file)));
  }
  return texts.join('\n\n') + '\n';
}

function read(file) {
  return fs.readFileSync(file, 'utf8').replaceAll('\r\n', '\n').trim();
}

/** One entry of the list; the shape is the one of JupyterLab's builder, after SPDX. */
function entry(folder) {
  const place = path.join(__dirname, folder);
  const { name, version, license } = JSON.parse(read(path.join(place, 'package.json')));
  return { name, versionInfo: version, licenseId: license, extractedText: licenseText(name, place) };
}

/** The list for bundles of these files (relative to this folder, with `/`), in the order of names. */
function licenses(files) {
  const folders = new Set([...files.map(packageFolder).filter(Boolean), ...BUNDLERS]);
  const entries = new Map();
  for (const found of [...folders].map(entry)) {
    entries.set(`${found.name} ${found.versionInfo}`, found);
  }
  return { packages: [...entries.keys()].sort().map(key => entries.get(key)) };
}

/** Files that the kernel worker is bundled from, relative to this folder. */
function workerFiles() {
  return Object.keys(JSON.parse(read(WORKER_METAFILE)).inputs);
}

/** Files of every chunk; a module of joined modules lists them inside. */
function applicationFiles(stats) {
  const options = { all: false, chunks: true, chunkModules: true, nestedModules: true };
  const whole = {
    dependentModules: true,
    cachedModules: true,
    chunkModulesSpace: Infinity,
    nestedModulesSpace: Infinity
  };
  const files = new Set();
  const add = module => {
    if (module.nameForCondition) {
      files.add(path.relative(__dirname, module.nameForCondition).split(path.sep).join('/'));
    }
    (module.modules ?? []).forEach(add);
  };
  stats.toJson({ ...options, ...whole }).chunks.forEach(chunk => chunk.modules.forEach(add));
  return [...files].sort();
}

/** Puts the list of both bundles in place of the builder's. */
class LicensesPlugin {
  apply(compiler) {
    compiler.hooks.done.tap('LicensesPlugin', stats => {
      if (stats.hasErrors()) {
        return;
      }
      const files = applicationFiles(stats);
      fs.writeFileSync(APPLICATION_FILES, JSON.stringify(files, null, 1) + '\n');
      const list = licenses([...files, ...workerFiles()]);
      fs.writeFileSync(path.join(compiler.outputPath, LIST), JSON.stringify(list, null, 2) + '\n');
    });
  }
}

module.exports = { LicensesPlugin, WORKER_METAFILE };
