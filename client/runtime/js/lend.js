/**
 * Let Pyodide's loader take a WebAssembly module that is being compiled already, instead of downloading and compiling its own.
 *
 * loadPyodide has no option for it: it calls `fetch` and `WebAssembly.instantiateStreaming`. Both are put back by the
 * function that is returned; call it when loadPyodide is done.
 *
 * @param {string} url the one download that is answered here
 * @param {Promise<WebAssembly.Module>} compiled
 * @returns {() => void}
 */
export function lend(url, compiled) {
  const { fetch } = globalThis;
  const { instantiateStreaming } = WebAssembly;
  /** @param {RequestInfo | URL} input @param {RequestInit} [init] */
  globalThis.fetch = (input, init) => {
    const target = input instanceof Request ? input.url : String(input);
    return target === url ? Promise.resolve(new Response()) : fetch(input, init);
  };
  WebAssembly.instantiateStreaming = async (_source, imports) => {
    const module = await compiled;
    return { module, instance: await WebAssembly.instantiate(module, imports) };
  };
  return () => {
    globalThis.fetch = fetch;
    WebAssembly.instantiateStreaming = instantiateStreaming;
  };
}
