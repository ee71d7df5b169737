/**
 * Starts Pyodide with everything a kernel needs: from a memory snapshot, or, where that does not work, the ordinary way.
 * Runs in a module worker. What a bundle holds is described in ../README.md.
 *
 * @typedef {import('./site.js').SiteIndex} SiteIndex
 * @typedef {{ path: string, size: number, sample: number }} SnapshotFile
 * @typedef {{
 *   format: number, hash: string, pyodide: string, python: string, abi: string,
 *   kernel: {
 *     index: string,
 *     packs: { [name: string]: { path: string, boot: boolean } },
 *     snapshot: SnapshotFile | null,
 *     packages: { [name: string]: string }
 *   },
 *   files: { [path: string]: { size: number, sha256: string } }
 * }} Manifest
 * @typedef {{
 *   manifest: Manifest,
 *   wasmModule: WebAssembly.Module | null,
 *   snapshot: SharedArrayBuffer | null,
 *   received: SharedArrayBuffer | null
 * }} Shared `received` holds one Int32: how many bytes of the snapshot are there, or FAILED
 * @typedef {{ stage: 'download' | 'start' | 'ready', loaded: number, total: number }} Progress
 * @typedef {{
 *   runtimeUrl: string,
 *   env?: { [name: string]: string },
 *   stdout?: (text: string) => void,
 *   stderr?: (text: string) => void,
 *   onProgress?: (progress: Progress) => void,
 *   shared?: Partial<Shared> | null,
 *   snapshot?: boolean,
 *   packages?: boolean,
 *   loadPyodideOptions?: { [name: string]: unknown }
 * }} BootOptions
 * @typedef {{
 *   pyodide: any,
 *   mode: 'snapshot' | 'ordinary',
 *   reason: string | null,
 *   marks: { [step: string]: number },
 *   manifest: Manifest,
 *   wasmModule: WebAssembly.Module | null
 * }} BootResult
 */

import { BootError, explained } from "./damage.js";
import { download, json, lockPath, readNow } from "./transfer.js";
import { FAILED } from "./preload.js";
import { lend } from "./lend.js";
import { mountSite } from "./site.js";
import { sample } from "./sample.js";

/** The manifest format that this module understands. */
const MANIFEST_FORMAT = 1;

/** Bytes that only make loadPyodide take the way of a restore; the real ones arrive while WebAssembly compiles. */
const PLACEHOLDER_SIZE = 64;

/** Memory for the first cells, in bytes: the snapshot ends with what was in use, and memory grows by a fifth at least. */
const HEADROOM = 1024 * 1024;

/** How often a kernel looks whether the snapshot that its page downloads is there, in milliseconds. */
const LOOK_MS = 10;

/** How Pyodide records packages that its lock file names. */
const LOCK_CHANNEL = "default channel";

/** The snapshot cannot be used here; an ordinary boot still can. */
class RestoreError extends Error {
  /** @param {string} message @param {unknown} [cause] */
  constructor(message, cause) {
    super(message, { cause });
    this.name = "RestoreError";
  }
}

/**
 * Start a kernel's Python: restore the snapshot if there is one and it fits, else boot the ordinary way. A failure names the
 * files that are missing or wrong, if there are any.
 * @param {BootOptions} options
 * @returns {Promise<BootResult>}
 */
export async function boot(options) {
  /** @type {Start | null} */
  let start = null;
  try {
    start = await begin(options);
    return await bootFrom(start);
  } catch (error) {
    const manifest = start?.manifest ?? options.shared?.manifest ?? null;
    throw await explained(error, options.runtimeUrl, manifest, options.packages);
  }
}

/**
 * @param {Start} start
 * @returns {Promise<BootResult>}
 */
async function bootFrom(start) {
  const { options } = start;
  let reason = null;
  if (options.snapshot !== false) {
    try {
      return await restore(start);
    } catch (error) {
      if (!(error instanceof RestoreError)) {
        throw error;
      }
      // Without these there is no other way either.
      await Promise.all([start.wasm, start.scripts, start.index]);
      reason = error.message;
    }
  }
  return ordinary(start, reason);
}

/**
 * Download in the background what later imports and tracebacks may read, so that the browser's cache has it. Never rejects.
 * @param {BootResult} result
 * @param {string} runtimeUrl
 */
export async function warm({ manifest }, runtimeUrl) {
  for (const { path, boot: needed } of Object.values(manifest.kernel.packs)) {
    if (needed) {
      try {
        const response = await fetch(runtimeUrl + path, { priority: "low" });
        await response.body?.pipeTo(new WritableStream());
      } catch {
        // It will be read when it is needed, and the error shown then.
        return;
      }
    }
  }
}

/**
 * What both ways share.
 * @typedef {{
 *   options: BootOptions,
 *   base: string,
 *   manifest: Manifest,
 *   mark: (step: string) => void,
 *   marks: { [step: string]: number },
 *   wasm: Promise<WebAssembly.Module>,
 *   scripts: Promise<[{ loadPyodide: (options: object) => Promise<any> }, { default: (settings: object) => Promise<any> }]>,
 *   index: Promise<SiteIndex>
 * }} Start
 *
 * @param {BootOptions} options
 * @returns {Promise<Start>}
 */
async function begin(options) {
  const { runtimeUrl, shared } = options;
  /** @type {{ [step: string]: number }} */
  const marks = {};
  /** @param {string} step */
  const mark = (step) => {
    marks[step] ??= performance.now();
  };
  mark("begin");
  const base = `${runtimeUrl}pyodide/`;
  // Everything that every way needs starts at once, before the manifest is there.
  const scripts = Promise.all([
    import(/* webpackIgnore: true */ `${base}pyodide.mjs`),
    import(/* webpackIgnore: true */ `${base}pyodide.asm.mjs`),
  ]);
  const wasm = shared?.wasmModule
    ? Promise.resolve(shared.wasmModule)
    : WebAssembly.compileStreaming(fetch(`${base}pyodide.asm.wasm`));
  const manifest = shared?.manifest ?? /** @type {Manifest} */ (await json(`${runtimeUrl}manifest.json`));
  const index = json(`${runtimeUrl}kernel/site.json`);
  for (const promise of [scripts, wasm, index]) {
    // Whoever awaits it reports the failure.
    promise.catch(() => {});
  }
  mark("manifest");
  if (manifest.format !== MANIFEST_FORMAT) {
    throw new BootError(
      `The browser runtime at ${runtimeUrl} has format ${manifest.format}; this page understands ${MANIFEST_FORMAT}. ` +
        "Reload the page; if that does not help, the server and its JupyterLab extension have different versions.",
    );
  }
  return { options, base, manifest, mark, marks, wasm, scripts, index };
}

/**
 * @param {Start} start
 * @returns {Promise<BootResult>}
 */
async function restore(start) {
  const { options, manifest, mark, wasm } = start;
  const file = manifest.kernel.snapshot;
  if (!file) {
    throw new RestoreError("the runtime was built without a memory snapshot");
  }
  /** @type {Promise<Uint8Array> | null} Dropped when it is copied: Pyodide keeps these functions, and so what they see. */
  let bytes = snapshotBytes(start, file);
  bytes.catch(() => {});
  const [, { default: createModule }] = await start.scripts;
  mark("scripts");
  /** @type {any} */
  let api;
  /** @type {any} */
  let pyodide;
  try {
    pyodide = await load(start, {
      _loadSnapshot: new Uint8Array(PLACEHOLDER_SIZE),
      /** @param {{ pyodide?: string, api?: string, array?: unknown[] }} key */
      _snapshotDeserializer: (key) => {
        const value = key.array ?? (key.pyodide ? api.public_api[key.pyodide] : api[key.api ?? ""]);
        if (value === undefined) {
          throw new RestoreError(`this Pyodide has no ${JSON.stringify(key)}`);
        }
        return value;
      },
      /** @param {any} settings */
      createPyodideModule: async (settings) => {
        api = settings.API;
        // It was taken from the placeholder's size.
        delete settings.INITIAL_MEMORY;
        const module = await createModule(settings);
        mark("wasm");
        /** @type {Uint8Array | null} */
        let snapshot = await bytes;
        bytes = null;
        if (!snapshot) {
          throw new RestoreError("the memory snapshot can be restored only once");
        }
        mark("snapshot");
        options.onProgress?.({ stage: "start", loaded: file.size, total: file.size });
        const needed = snapshot.length + HEADROOM;
        if (module.HEAP8.length < needed) {
          module.growMemory(needed);
        }
        if (module.HEAP8.length < snapshot.length) {
          throw new RestoreError(`the browser refused ${needed} bytes of memory`);
        }
        const { getExpectedKeys, restoreSnapshot } = api;
        // Pyodide puts a new empty object where the saved memory refers to its record of loaded packages.
        api.getExpectedKeys = () => [...getExpectedKeys().slice(0, -1), api.public_api.loadedPackages];
        api.restoreSnapshot = () => {
          // How Python calls C functions is this engine's own; the snapshot has what Node.js could do, which is slower
          // and cannot be suspended.
          const trampoline =
            (module.__PyRuntime + module.HEAP32[module.__PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET >>> 2]) >>> 2;
          const own = module.HEAP32[trampoline];
          const state = restoreSnapshot(snapshot);
          snapshot = null;
          module.HEAP32[trampoline] = own;
          // The restored C library believes that it knows the time zone.
          const names = module.___tzname >>> 2;
          module.__tzset_js(
            module._timezone,
            module._daylight,
            module.HEAPU32[names],
            module.HEAPU32[names + 1],
          );
          mark("restored");
          return state;
        };
        return module;
      },
    });
  } catch (error) {
    throw error instanceof RestoreError
      ? error
      : new RestoreError(`the memory snapshot was not restored: ${firstLine(error)}`, error);
  }
  await mount(start, pyodide, new Map());
  mark("mounted");
  try {
    const runtime = pyodide.pyimport("pcw_runtime");
    runtime.refresh(pyodide.toPy(options.env ?? {}));
    runtime.destroy();
  } catch (error) {
    throw new RestoreError(`the restored interpreter does not run: ${firstLine(error)}`, error);
  }
  mark("refreshed");
  return ready(start, pyodide, "snapshot", null, await wasm);
}

/** @param {unknown} error */
function firstLine(error) {
  return String(error).split("\n", 1)[0];
}

/**
 * @param {Start} start
 * @param {SnapshotFile} file
 */
async function snapshotBytes({ options }, file) {
  const { runtimeUrl, shared } = options;
  /** @param {number} loaded */
  const onProgress = (loaded) => options.onProgress?.({ stage: "download", loaded, total: file.size });
  /** @type {Uint8Array} */
  let bytes;
  if (shared?.snapshot && (await arrived(shared, file, onProgress))) {
    // Pyodide decodes the snapshot's header, and decoders refuse shared memory.
    bytes = new Uint8Array(shared.snapshot).slice();
  } else {
    try {
      const url = runtimeUrl + file.path;
      bytes = new Uint8Array(file.size);
      await download(url, bytes, onProgress);
    } catch (error) {
      throw new RestoreError(`the memory snapshot could not be downloaded: ${error}`, error);
    }
  }
  if (bytes.length !== file.size || sample(bytes) !== file.sample) {
    throw new RestoreError("the memory snapshot is not the one that the manifest describes");
  }
  return bytes;
}

/**
 * Wait for the snapshot that the page downloads. It is looked at again and again, since not every browser can wait for
 * shared memory without blocking.
 * @param {Partial<Shared>} shared
 * @param {SnapshotFile} file
 * @param {(loaded: number) => void} onProgress
 * @returns {Promise<boolean>} whether it is there
 */
async function arrived({ received }, file, onProgress) {
  if (!received) {
    return false;
  }
  const count = new Int32Array(received);
  let before = 0;
  for (;;) {
    const loaded = Atomics.load(count, 0);
    if (loaded === FAILED || loaded === file.size) {
      return loaded === file.size;
    }
    if (loaded !== before) {
      before = loaded;
      onProgress(loaded);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/**
 * @param {Start} start
 * @param {string | null} reason
 * @returns {Promise<BootResult>}
 */
async function ordinary(start, reason) {
  const { options, manifest, mark, wasm } = start;
  const paths = Object.values(manifest.kernel.packs).flatMap(({ path, boot }) => (boot ? [path] : []));
  const total = paths.reduce((sum, path) => sum + manifest.files[path].size, 0);
  let loaded = 0;
  const packs = Promise.all(
    paths.map(async (path) => {
      const bytes = new Uint8Array(manifest.files[path].size);
      let before = 0;
      await download(options.runtimeUrl + path, bytes, (now) => {
        loaded += now - before;
        before = now;
        options.onProgress?.({ stage: "download", loaded, total });
      });
      return /** @type {[string, Uint8Array]} */ ([path, bytes]);
    }),
  );
  packs.catch(() => {});
  const [, { default: createPyodideModule }] = await start.scripts;
  mark("scripts");
  const pyodide = await load(start, { createPyodideModule }, packs);
  mark("wasm");
  await mount(start, pyodide, new Map(await packs));
  mark("mounted");
  options.onProgress?.({ stage: "start", loaded: total, total });
  pyodide.runPython("import importlib; importlib.invalidate_caches(); del importlib");
  const runtime = pyodide.pyimport("pcw_runtime");
  runtime.preload();
  runtime.refresh(pyodide.toPy(options.env ?? {}));
  runtime.destroy();
  mark("refreshed");
  return ready(start, pyodide, "ordinary", reason, await wasm);
}

/**
 * @param {Start} start
 * @param {object} own options of one of the two ways
 * @param {Promise<unknown>} [needed] what else this way is lost without
 */
async function load(start, own, needed) {
  const { options, base, wasm, index } = start;
  const [{ loadPyodide }] = await start.scripts;
  const giveBack = lend(`${base}pyodide.asm.wasm`, wasm);
  // loadPyodide never settles when it was lent a module that could not be had, and takes its time to where the others are
  // needed.
  /** @type {Promise<never>} */
  const failed = new Promise((_, reject) => {
    for (const promise of [wasm, index, needed]) {
      promise?.catch(reject);
    }
  });
  try {
    return await Promise.race([
      failed,
      loadPyodide({
        lockFileURL: options.runtimeUrl + lockPath(options.packages),
        packageBaseUrl: base,
        stdout: options.stdout,
        stderr: options.stderr,
        ...options.loadPyodideOptions,
        // The packages that these options may name are in the packs.
        packages: [],
        indexURL: base,
        _sysExecutable: "/usr/bin/python3",
        env: { HOME: "/home/pyodide", LANG: "C.UTF-8", ...options.env },
        ...own,
      }),
    ]);
  } finally {
    giveBack();
  }
}

/**
 * @param {Start} start
 * @param {any} pyodide
 * @param {Map<string, Uint8Array>} packs those that are there already
 */
async function mount(start, pyodide, packs) {
  const { manifest, options } = start;
  mountSite(pyodide.FS, await start.index, (path) => packs.get(path) ?? readNow(options.runtimeUrl + path));
  for (const name of Object.keys(manifest.kernel.packages)) {
    pyodide.loadedPackages[name] = LOCK_CHANNEL;
  }
  // Nothing to load for an import of these: the kernel asks before every cell.
  const { _import_name_to_package_name: providers } = pyodide._api;
  for (const [module, name] of [...providers]) {
    if (name in manifest.kernel.packages) {
      providers.delete(module);
    }
  }
}

/**
 * @param {Start} start
 * @param {any} pyodide
 * @param {'snapshot' | 'ordinary'} mode
 * @param {string | null} reason
 * @param {WebAssembly.Module} wasmModule
 * @returns {BootResult}
 */
function ready({ options, manifest, mark, marks }, pyodide, mode, reason, wasmModule) {
  mark("ready");
  options.onProgress?.({ stage: "ready", loaded: 1, total: 1 });
  return { pyodide, mode, reason, marks, manifest, wasmModule };
}
