/** Downloads, with progress or at once. */

/** The first bytes of a gzip stream (RFC 1952, 2.3.1). */
const GZIP_MAGIC = [0x1f, 0x8b];

/** A resource is missing or not what was asked for. */
export class TransferError extends Error {
  /** @param {string} url @param {string} fault the end of a sentence that begins with the URL */
  constructor(url, fault) {
    super(`${url} ${fault}`);
    this.name = "TransferError";
    this.url = url;
    this.fault = fault;
  }
}

/**
 * The content of a resource whose name ends with `.gz`, which a host that compresses nothing keeps compressed. Whether
 * the browser has unpacked it already depends on the headers a host sends with such a name, so its first bytes decide.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @returns {Promise<ReadableStream<Uint8Array<ArrayBuffer>>>}
 */
async function unpacked(body) {
  const reader = body.getReader();
  const first = await reader.read();
  const whole = new ReadableStream({
    start(controller) {
      if (first.value) {
        controller.enqueue(first.value);
      }
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) {
        controller.close();
      } else {
        controller.enqueue(value);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
  const packed = GZIP_MAGIC.every((byte, at) => first.value?.[at] === byte);
  return packed ? whole.pipeThrough(new DecompressionStream("gzip")) : whole;
}

/**
 * Fill `target` with a resource of exactly its size; one whose name ends with `.gz` is unpacked.
 * @param {string} url
 * @param {Uint8Array} target
 * @param {(loaded: number) => void} [onProgress] bytes so far, uncompressed
 */
export async function download(url, target, onProgress) {
  const response = await fetch(url);
  if (!response.ok || !response.body) {
    throw new TransferError(url, `answered ${response.status}`);
  }
  const body = url.endsWith(".gz") ? await unpacked(response.body) : response.body;
  const reader = body.getReader();
  let loaded = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    if (loaded + value.length > target.length) {
      await reader.cancel();
      throw new TransferError(url, `has more than ${target.length} bytes`);
    }
    target.set(value, loaded);
    loaded += value.length;
    onProgress?.(loaded);
  }
  if (loaded !== target.length) {
    throw new TransferError(url, `has ${loaded} bytes instead of ${target.length}`);
  }
}

/**
 * The lock that a kernel starts with, below the runtime's URL: of what the runtime holds, or of Pyodide's whole distribution
 * where the server has the other packages too.
 * @param {boolean} [packages]
 */
export function lockPath(packages) {
  return packages ? "pyodide/pyodide-lock.full.json" : "pyodide/pyodide-lock.json";
}

/**
 * @param {string} url
 * @returns {Promise<any>}
 */
export async function json(url) {
  const response = await fetch(url);
  if (!response.ok) {
    throw new TransferError(url, `answered ${response.status}`);
  }
  return response.json();
}

/**
 * Read a resource while Python waits for it; only in a worker.
 * @param {string} url
 * @returns {Uint8Array}
 */
export function readNow(url) {
  const request = new XMLHttpRequest();
  request.open("GET", url, false);
  request.responseType = "arraybuffer";
  request.send();
  if (request.status !== 200) {
    throw new TransferError(url, `answered ${request.status}`);
  }
  return new Uint8Array(request.response);
}
