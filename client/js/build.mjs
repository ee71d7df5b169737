/**
 * Bundle each entry into one file without imports, and copy the kernel's side into the Python package.
 */
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const packageData = join(here, "../pyspark_connect_web/channel/kernel_channel.js");

const common = {
  bundle: true,
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
};

/** The network worker as text, for the page bridge that starts it from a Blob. */
const networkWorkerText = {
  name: "network-worker-text",
  setup(context) {
    context.onResolve({ filter: /^pcw:network_worker$/ }, ({ path }) => ({ path, namespace: "pcw" }));
    context.onLoad({ filter: /.*/, namespace: "pcw" }, async () => {
      const { outputFiles } = await build({
        ...common,
        entryPoints: [join(here, "src/network_worker.js")],
        format: "iife",
        minify: true,
        write: false,
      });
      return { contents: outputFiles[0].text, loader: "text" };
    });
  },
};

await mkdir(dist, { recursive: true });
await build({
  ...common,
  entryPoints: [join(here, "src/network_worker.js")],
  format: "iife",
  outdir: dist,
});
await build({
  ...common,
  entryPoints: [join(here, "src/pcw_kernel_bridge.js")],
  format: "iife",
  plugins: [networkWorkerText],
  outdir: dist,
});
// A script whose value is the namespace (for Pyodide's run_js) and which sets a global (for `import`).
await build({
  ...common,
  entryPoints: [join(here, "src/kernel_channel.js")],
  format: "iife",
  globalName: "pcwKernelChannel",
  footer: { js: "globalThis.pcwKernelChannel = pcwKernelChannel;\npcwKernelChannel;" },
  outdir: dist,
});
await mkdir(dirname(packageData), { recursive: true });
await copyFile(join(dist, "kernel_channel.js"), packageData);
