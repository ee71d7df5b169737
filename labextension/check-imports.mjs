// Fails on circular imports, between files and between folders, type imports included; and on a worker's file that imports
// the page's side. Run by `npm run lint`.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

const here = dirname(fileURLToPath(import.meta.url));
const ROOTS = ['src', '../client/js/src', '../client/runtime/js'].map(folder => join(here, folder));

/** The part of the page's side that a worker must not load: it needs a document. */
const PAGE_SIDE = /\/(page|view|plugin)\.ts$/;

/** The file an import leads to, or null if it is a package's. */
function target(file, name) {
  if (!name.startsWith('.')) {
    return null;
  }
  const path = resolve(dirname(file), name);
  return [path, `${path}.ts`].find(candidate => /\.(ts|js)$/.test(candidate) && existsSync(candidate)) ?? null;
}

/** Imports of every file, by file; `import("./x.js")` of a JSDoc comment is none, as it is gone when the code runs. */
function graphOf(root) {
  const files = readdirSync(root, { recursive: true })
    .map(name => join(root, name))
    .filter(name => /\.(ts|js)$/.test(name) && !name.endsWith('.d.ts'));
  return new Map(
    files.map(file => {
      const { importedFiles } = ts.preProcessFile(readFileSync(file, 'utf8'));
      return [file, importedFiles.map(({ fileName }) => target(file, fileName)).filter(found => found !== null)];
    })
  );
}

/** The same between folders; files right in the root, which put everything together, are left out. */
function foldersOf(root, files) {
  const folderOf = file => relative(root, file).split('/').slice(0, -1)[0];
  const folders = new Map();
  for (const [file, imported] of files) {
    const folder = folderOf(file);
    if (folder !== undefined) {
      const others = imported.map(folderOf).filter(other => other !== undefined && other !== folder);
      folders.set(folder, [...(folders.get(folder) ?? []), ...others]);
    }
  }
  return folders;
}

/** The first circle that is found, as a list of its members, or null. */
function circleIn(graph) {
  const done = new Set();
  const visit = (node, path) => {
    if (path.includes(node)) {
      return [...path.slice(path.indexOf(node)), node];
    }
    if (done.has(node)) {
      return null;
    }
    for (const next of graph.get(node) ?? []) {
      const found = visit(next, [...path, node]);
      if (found) {
        return found;
      }
    }
    done.add(node);
    return null;
  };
  for (const node of graph.keys()) {
    const found = visit(node, []);
    if (found) {
      return found;
    }
  }
  return null;
}

const problems = [];
for (const root of ROOTS) {
  const files = graphOf(root);
  for (const graph of [files, foldersOf(root, files)]) {
    const circle = circleIn(graph);
    if (circle) {
      problems.push(`circular import: ${circle.map(node => relative(here, resolve(root, node))).join(' -> ')}`);
    }
  }
  for (const [file, imported] of files) {
    for (const other of imported) {
      if (/\/worker(main)?\.ts$/.test(file) && PAGE_SIDE.test(other)) {
        problems.push(`${relative(here, file)} runs in the worker and imports ${relative(here, other)}`);
      }
    }
  }
}
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
