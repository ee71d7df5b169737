/** Downloads, with progress or at once. */

/**
 * Fill `target` with a resource of exactly its size.
 * @param {string} url
 * @param {Uint8Array} target
 * @param {(loaded: number) => void} [onProgress] bytes so far, uncompressed
 */
export async function download(url, target, onProgress) {
  const response = await fetch(url);
  if (!response.ok || !response.body) {
    throw new Error(`${url} answered ${response.status}`);
  }
  const reader = response.body.getReader();
  let loaded = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    if (loaded + value.length > target.length) {
      await reader.cancel();
      throw new Error(`${url} is longer than ${target.length} bytes`);
    }
    target.set(value, loaded);
    loaded += value.length;
    onProgress?.(loaded);
  }
  if (loaded !== target.length) {
    throw new Error(`${url} ended after ${loaded} of ${target.length} bytes`);
  }
}

/**
 * @param {string} url
 * @returns {Promise<any>}
 */
export async function json(url) {
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`${url} answered ${response.status}`);
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
  request.open('GET', url, false);
  request.responseType = 'arraybuffer';
  request.send();
  if (request.status !== 200) {
    throw new Error(`${url} answered ${request.status}`);
  }
  return new Uint8Array(request.response);
}
