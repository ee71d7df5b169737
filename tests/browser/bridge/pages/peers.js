/** What the bridge is measured against, in the same worker: `fetch`, awaited or done by the UI thread. */

/** @param {number} count @param {() => Promise<void> | void} one */
async function timeEach(count, one) {
  const times = [];
  for (let number = 0; number < count; number++) {
    const before = performance.now();
    await one();
    times.push(performance.now() - before);
  }
  return times;
}

const SMALL = new Uint8Array(200);

export const PEERS = {
  /** Read a whole response. */
  fetchLoop: async ({ url }) => {
    const before = performance.now();
    const response = await fetch(url, { method: "POST", body: "" });
    const reader = response.body.getReader();
    let bytes = 0;
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      bytes += piece.value.length;
    }
    return { bytes, milliseconds: performance.now() - before };
  },

  /** The same into one buffer, used again and again, which costs the browser less. */
  fetchLoopOneBuffer: async ({ url }) => {
    const before = performance.now();
    const response = await fetch(url, { method: "POST", body: "" });
    const reader = response.body.getReader({ mode: "byob" });
    let bytes = 0;
    let piece = await reader.read(new Uint8Array(512 * 1024));
    while (!piece.done) {
      bytes += piece.value.length;
      piece = await reader.read(new Uint8Array(piece.value.buffer));
    }
    return { bytes, milliseconds: performance.now() - before };
  },

  /** Read one piece and no more. */
  fetchOnce: async ({ url }) => {
    const response = await fetch(url, { method: "POST", body: "" });
    globalThis.unread = response.body.getReader();
    return (await globalThis.unread.read()).value.length;
  },

  fetchRoundTrips: ({ count }) =>
    timeEach(count, async () => {
      await (await fetch("/echo", { method: "POST", body: SMALL })).arrayBuffer();
    }),

  uiThreadRoundTrips: ({ count }) => {
    const words = new Int32Array(new SharedArrayBuffer(8));
    const bytes = new Uint8Array(new SharedArrayBuffer(65536));
    return timeEach(count, () => {
      Atomics.store(words, 0, 0);
      self.postMessage({ fetchForMe: { url: "/echo", body: SMALL, words, bytes } });
      Atomics.wait(words, 0, 0);
    });
  },

  fetchUpload: async ({ bytes }) => {
    const body = new Blob([new Uint8Array(bytes)]);
    const [milliseconds] = await timeEach(1, async () => {
      await (await fetch("/echo", { method: "POST", body })).arrayBuffer();
    });
    return milliseconds;
  },
};
