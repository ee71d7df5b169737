/**
 * Downloads a browser runtime ahead of the first kernel, in the page, and shares it among the page's kernels.
 *
 * @typedef {import('./restore.js').Manifest} Manifest
 * @typedef {import('./restore.js').Shared} Shared
 */

import { download, json, lockPath } from "./transfer.js";

/**
 * Start the downloads. Failures are not reported here: the parts that are missing are null, and a kernel gets them itself.
 * @param {string} runtimeUrl absolute, ends with '/'
 * @param {{ packages?: boolean }} [options] `packages` as the kernels will get it
 * @returns {{ readonly ready: boolean, shared: () => Promise<Shared | null> }}
 */
export function preload(runtimeUrl, options = {}) {
  let ready = false;
  const shared = load(runtimeUrl, lockPath(options.packages)).then(
    (result) => {
      ready = true;
      return result;
    },
    () => null,
  );
  return {
    get ready() {
      return ready;
    },
    shared: () => shared,
  };
}

/**
 * @param {string} runtimeUrl
 * @param {string} lock
 * @returns {Promise<Shared>}
 */
async function load(runtimeUrl, lock) {
  const wasmModule = WebAssembly.compileStreaming(fetch(`${runtimeUrl}pyodide/pyodide.asm.wasm`)).catch(
    () => null,
  );
  const manifest = /** @type {Manifest} */ (await json(`${runtimeUrl}manifest.json`));
  const [snapshot] = await Promise.all([
    snapshotOf(runtimeUrl, manifest),
    // A kernel reads these through the browser's cache.
    ...[
      "pyodide/pyodide.mjs",
      "pyodide/pyodide.asm.mjs",
      "pyodide/python_stdlib.zip",
      lock,
      manifest.kernel.index,
    ].map((path) => cacheOnly(runtimeUrl + path)),
  ]);
  return { manifest, wasmModule: await wasmModule, snapshot };
}

/**
 * @param {string} runtimeUrl
 * @param {Manifest} manifest
 */
async function snapshotOf(runtimeUrl, manifest) {
  const file = manifest.kernel.snapshot;
  if (!file || !globalThis.crossOriginIsolated) {
    return null;
  }
  try {
    const buffer = new SharedArrayBuffer(file.size);
    await download(runtimeUrl + file.path, new Uint8Array(buffer));
    return buffer;
  } catch {
    return null;
  }
}

/** @param {string} url */
async function cacheOnly(url) {
  try {
    const response = await fetch(url);
    await response.body?.pipeTo(new WritableStream());
  } catch {
    // The kernel that needs it reports the failure.
  }
}
