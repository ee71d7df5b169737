/**
 * Downloads a browser runtime ahead of the first kernel, in the page, and shares it among the page's kernels.
 *
 * @typedef {import('./restore.js').Manifest} Manifest
 * @typedef {import('./restore.js').Shared} Shared
 */

import { download, json, lockPath } from "./transfer.js";

/** What `received` says of a snapshot that did not arrive; a kernel gets it itself then. */
export const FAILED = -1;

/**
 * Start the downloads. Failures are not reported here: the parts that are missing are null, and a kernel gets them itself.
 * What is shared is given as soon as the module is compiled; the snapshot may be on its way still, and `received` tells.
 * @param {string} runtimeUrl absolute, ends with '/'
 * @param {{ packages?: boolean }} [options] `packages` as the kernels will get it
 * @returns {{ shared: () => Promise<Shared | null> }}
 */
export function preload(runtimeUrl, options = {}) {
  const wasmModule = WebAssembly.compileStreaming(fetch(`${runtimeUrl}pyodide/pyodide.asm.wasm`)).catch(
    () => null,
  );
  const begun = json(`${runtimeUrl}manifest.json`).then((/** @type {Manifest} */ manifest) => {
    const snapshot = snapshotOf(runtimeUrl, manifest);
    // A kernel reads these through the browser's cache.
    for (const path of [
      "pyodide/pyodide.mjs",
      "pyodide/pyodide.asm.mjs",
      "pyodide/python_stdlib.zip",
      lockPath(options.packages),
      manifest.kernel.index,
    ]) {
      void cacheOnly(runtimeUrl + path);
    }
    return { manifest, snapshot: snapshot?.bytes ?? null, received: snapshot?.received ?? null };
  });
  const shared = Promise.all([begun, wasmModule]).then(
    ([parts, module]) => ({ ...parts, wasmModule: module }),
    () => null,
  );
  return { shared: () => shared };
}

/**
 * @param {string} runtimeUrl
 * @param {Manifest} manifest
 * @returns {{ bytes: SharedArrayBuffer, received: SharedArrayBuffer } | null}
 */
function snapshotOf(runtimeUrl, manifest) {
  const file = manifest.kernel.snapshot;
  if (!file || !globalThis.crossOriginIsolated) {
    return null;
  }
  /** @type {SharedArrayBuffer} */
  let bytes;
  try {
    bytes = new SharedArrayBuffer(file.size);
  } catch {
    return null;
  }
  const received = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const count = new Int32Array(received);
  void download(runtimeUrl + file.path, new Uint8Array(bytes), (loaded) => {
    // The last bytes count only when it is known that none follow.
    Atomics.store(count, 0, Math.min(loaded, file.size - 1));
  }).then(
    () => void Atomics.store(count, 0, file.size),
    () => void Atomics.store(count, 0, FAILED),
  );
  return { bytes, received };
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
