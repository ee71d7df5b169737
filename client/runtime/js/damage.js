/** Finds out which files of a runtime are missing or wrong, once a kernel could not be started from it. */

import { TransferError, lockPath } from "./transfer.js";

/**
 * As long nothing may come of any file that is looked at, in milliseconds: somebody waits for a message. A busy machine and
 * a slow line take longer for all of it, but something comes.
 */
const SILENCE_MS = 6000;

/** As long the other files are looked at once one is known to be wrong, in milliseconds: that one is enough to say. */
const OTHERS_MS = 1000;

/** As many files are named; where more are wrong, all are. */
const MOST_NAMED = 3;

/** What a web page begins with, and no file of a runtime. */
const PAGE_START = /^[\s\ufeff]*<(!doctype|html)/i;

const BEGIN = [
  "manifest.json",
  "pyodide/pyodide.mjs",
  "pyodide/pyodide.asm.mjs",
  "pyodide/pyodide.asm.wasm",
  "pyodide/python_stdlib.zip",
];

/** No kernel can be started from this runtime; the message holds the remedy. */
export class BootError extends Error {
  /** @param {string} message @param {unknown} [cause] */
  constructor(message, cause) {
    super(message, { cause });
    this.name = "BootError";
  }
}

/**
 * The failure of a start in terms of the files that are missing or wrong; where all are there, the failure itself.
 * @param {unknown} failure
 * @param {string} runtimeUrl
 * @param {import('./restore.js').Manifest | null} manifest null where it is not known
 * @param {boolean} [packages] as the kernel got it
 * @returns {Promise<unknown>}
 */
export async function explained(failure, runtimeUrl, manifest, packages) {
  if (failure instanceof BootError) {
    return failure;
  }
  const kernel = manifest?.kernel;
  const packs = Object.values(kernel?.packs ?? {}).flatMap(({ path, boot }) => (boot ? [path] : []));
  const paths = [...BEGIN, lockPath(packages), kernel?.index ?? "kernel/site.json", ...packs];
  // What the start itself saw needs no second look to be known.
  const seen = failure instanceof TransferError ? failure : null;
  /** @param {string[]} files @param {RequestCache} cache */
  const look = (files, cache) =>
    Promise.all(
      watched((watch) =>
        files.map((path) => faultOf(runtimeUrl + path, manifest?.files[path]?.size, cache, watch)),
      ),
    );
  const faults = await look(paths, "default");
  const wrong = paths
    .map((path, at) => ({ path, fault: faults[at] ?? (seen?.url === runtimeUrl + path ? seen.fault : null) }))
    .filter(({ fault }) => fault);
  if (wrong.length === 0) {
    return failure;
  }
  // The browser may have kept what the host answered once, for a year.
  const again = await look(
    wrong.map(({ path }) => path),
    "reload",
  );
  // What did not come in time is as wrong as it was.
  const still = again
    .map((fault, at) => ({ path: wrong[at].path, fault: fault ?? wrong[at].fault }))
    .filter(({ fault }) => fault);
  if (still.length === 0) {
    return new BootError(
      `The browser had kept wrong files of its Python (${named(wrong)}), and has fetched them again. Start the kernel again.`,
      failure,
    );
  }
  return new BootError(
    `Files of the browser's Python at ${runtimeUrl} are missing or wrong: ${named(still)}. A newer version may have been ` +
      "published meanwhile: reload the page. If that does not help, who publishes the site must publish all of its files, " +
      '"jupyter pcw check" with its address names those that are missing; on a Jupyter server, install pcw-server-ext again.',
    failure,
  );
}

/** @param {{ path: string, fault: string | null }[]} files */
function named(files) {
  const first = files.slice(0, MOST_NAMED).map(({ path, fault }) => `${path} ${fault}`);
  return first.join(", ") + (files.length > MOST_NAMED ? `, and ${files.length - MOST_NAMED} more` : "");
}

/**
 * @typedef {{ signal: AbortSignal, came: () => void, wrong: () => void }} Watch
 *   told that something came, and that a file is wrong; its signal ends the looking
 */

/**
 * Look at files until nothing comes any more.
 * @template T
 * @param {(watch: Watch) => Promise<T>[]} looking
 * @returns {Promise<T>[]}
 */
function watched(looking) {
  const controller = new AbortController();
  const end = () => controller.abort();
  let silence = setTimeout(end, SILENCE_MS);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let others;
  const all = looking({
    signal: controller.signal,
    came() {
      clearTimeout(silence);
      silence = setTimeout(end, SILENCE_MS);
    },
    wrong() {
      others ??= setTimeout(end, OTHERS_MS);
    },
  });
  void Promise.allSettled(all).then(() => {
    clearTimeout(silence);
    clearTimeout(others);
  });
  return all;
}

/**
 * What is wrong with a file, as the end of a sentence; an empty string for nothing, null for what could not be seen in time.
 * @param {string} url
 * @param {number | undefined} size its bytes, where that is known
 * @param {RequestCache} cache
 * @param {Watch} watch
 * @returns {Promise<string | null>}
 */
async function faultOf(url, size, cache, watch) {
  const fault = await lookAt(url, size, cache, watch);
  if (fault) {
    watch.wrong();
  }
  return fault;
}

/** @type {typeof faultOf} */
async function lookAt(url, size, cache, { signal, came }) {
  try {
    const response = await fetch(url, { cache, signal });
    came();
    if (!response.ok || !response.body) {
      await response.body?.cancel();
      return `answered ${response.status}`;
    }
    let loaded = 0;
    for (const reader = response.body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) {
        break;
      }
      came();
      if (loaded === 0 && PAGE_START.test(new TextDecoder().decode(value.subarray(0, 64)))) {
        await reader.cancel();
        return "is a web page instead of the file";
      }
      loaded += value.length;
    }
    return size === undefined || loaded === size ? "" : `has ${loaded} bytes instead of ${size}`;
  } catch (error) {
    return signal.aborted ? null : `could not be loaded (${error})`;
  }
}
