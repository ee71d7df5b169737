/** A kernel worker as small as can be: Pyodide, the channel, and code to run on request. */
import { loadPyodide } from "/pyodide/pyodide.mjs";

import { PEERS } from "/pages/peers.js";

/** How the channel gets here: "module" registers it as our own kernel does, "package" leaves it to Python. */
const { channel = "module" } = Object.fromEntries(new URL(import.meta.url).searchParams);

/** @type {import("pyodide").PyodideAPI} */
let pyodide;
const interrupts = self.crossOriginIsolated ? new Uint8Array(new SharedArrayBuffer(1)) : null;

async function start(options) {
  pyodide = await loadPyodide({ indexURL: "/pyodide/" });
  if (interrupts) {
    pyodide.setInterruptBuffer(interrupts);
  }
  if (channel === "module") {
    const { createKernelChannel } = await import("/js/src/index.js");
    const made = createKernelChannel({ checkInterrupt: () => pyodide.checkInterrupt(), ...options });
    pyodide.registerJsModule("pcw_channel", made);
  }
  const packed = await (await fetch("/client.zip")).arrayBuffer();
  pyodide.unpackArchive(packed, "zip", { extractDir: "/lib/python3.14/site-packages" });
  return { interrupts: interrupts?.buffer };
}

const OPERATIONS = {
  start,
  run: async ({ code }) => {
    const value = pyodide.runPython(code);
    return value?.toJs ? value.toJs({ dict_converter: Object.fromEntries }) : value;
  },
  ...PEERS,
};

self.addEventListener("message", async ({ data }) => {
  if (!data.operation) {
    return;
  }
  try {
    self.postMessage({ request: data.request, value: await OPERATIONS[data.operation](data.argument ?? {}) });
  } catch (error) {
    self.postMessage({ request: data.request, error: String(error.message ?? error), type: error.type ?? error.name });
  }
});
