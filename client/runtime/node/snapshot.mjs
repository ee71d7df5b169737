// Starts a kernel under Node.js and saves its memory.
// Input: { pyodide: folder, bundle: folder with kernel/site.json and packs, output: file }.
import "./fixed.mjs";
import fs from "node:fs";
import path from "node:path";
import { mountSite } from "../js/site.js";
import { pyodideFrom, run } from "./job.mjs";

/** The unit of WebAssembly's memory, in bytes. */
const WASM_PAGE = 65536;

await run(async (job) => {
  // Python's memory remembers whether the JavaScript engine can switch stacks (JSPI), which time.sleep and run_sync need.
  // Browsers can, this Node.js cannot: it only has to say so, nothing here waits for a promise.
  WebAssembly.Suspending ??= class {
    constructor(callee) {
      return callee;
    }
  };
  WebAssembly.promising ??=
    (callee) =>
    async (...args) =>
      callee(...args);
  const pyodide = await pyodideFrom(job.pyodide, {
    _makeSnapshot: true,
    // Otherwise Node's own path becomes sys.executable and part of the snapshot.
    _sysExecutable: "/usr/bin/python3",
    env: { HOME: "/home/pyodide", LANG: "C.UTF-8", PYTHONHASHSEED: "0" },
    stdout: (text) => console.log(text),
    stderr: (text) => console.error(text),
  });
  const index = JSON.parse(fs.readFileSync(path.join(job.bundle, "kernel/site.json"), "utf8"));
  mountSite(pyodide.FS, index, (name) => new Uint8Array(fs.readFileSync(path.join(job.bundle, name))));
  pyodide.runPython(`
    import importlib, sys
    importlib.invalidate_caches()
    sys.dont_write_bytecode = True
  `);
  const runtime = pyodide.pyimport("pcw_runtime");
  runtime.preload();
  await runtime.warm_up();
  runtime.settle();
  runtime.destroy();
  // Finalizers and the event loop's last callbacks.
  await new Promise((resolve) => setTimeout(resolve, 50));
  pyodide.runPython("import gc; gc.collect(); del gc, importlib, sys");

  // restore.js counts on this place.
  const expected = pyodide._api.getExpectedKeys();
  if (pyodide._module.__hiwire_get(expected.length - 1) !== pyodide.loadedPackages) {
    throw new Error(
      "Pyodide keeps its record of loaded packages elsewhere: adapt getExpectedKeys in restore.js",
    );
  }
  const bytes = pyodide.makeMemorySnapshot({ serializer: (value) => nameOf(pyodide, value) });
  fs.writeFileSync(job.output, withoutUnused(pyodide._module, bytes));
});

/**
 * A snapshot without the memory behind the program break, which nothing was ever allocated from: memory grows in steps of a
 * fifth, and every kernel would have the last one.
 * @param {any} module
 * @param {Uint8Array} bytes
 */
function withoutUnused(module, bytes) {
  const [, memory] = new Uint32Array(bytes.buffer, bytes.byteOffset, 2);
  const end = memory + Math.ceil(module._sbrk(0) / WASM_PAGE) * WASM_PAGE;
  if (bytes.subarray(end).some((byte) => byte !== 0)) {
    throw new Error("Memory behind the program break is in use: the snapshot cannot end there");
  }
  return bytes.subarray(0, end);
}

/**
 * Python's memory refers to some functions of Pyodide's API. They are saved by name; restore.js puts the restored Pyodide's own there.
 * @param {any} pyodide
 * @param {any} value
 */
function nameOf(pyodide, value) {
  if (Array.isArray(value) && value.length === 0) {
    // What loadPackagesFromImports resolved to in a warm-up cell.
    return { array: [] };
  }
  for (const name of Object.getOwnPropertyNames(pyodide)) {
    if (pyodide[name] === value) {
      return { pyodide: name };
    }
  }
  for (const name of Object.keys(pyodide._api)) {
    if (pyodide._api[name] === value) {
      return { api: name };
    }
  }
  throw new Error(
    `The snapshot would hold a JavaScript value that has no name: ${Object.prototype.toString.call(value)}`,
  );
}
