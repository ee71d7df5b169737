// The kernel worker as one self-contained module: bundlers of the application must not touch it.
import { writeFileSync } from 'node:fs';

import { build } from 'esbuild';

import { WORKER_METAFILE } from './licenses.js';

const { metafile } = await build({
  entryPoints: ['src/kernel/workermain.ts'],
  outfile: 'lib/kernel/kernel.worker.js',
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: process.env.NODE_ENV === 'production',
  legalComments: 'eof',
  logLevel: 'warning',
  metafile: true
});
writeFileSync(WORKER_METAFILE, JSON.stringify(metafile));
