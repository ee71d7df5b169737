// A kernel worker without a notebook: boots the runtime and runs Python for the test.
import { boot } from "/runtime/js/restore.js";

let pyodide;

self.onmessage = async ({ data }) => {
  try {
    if (data.start) {
      if (data.refuseMemory) {
        // As a browser does that has no room for the snapshot; the smaller steps of an ordinary boot are granted.
        const { grow } = WebAssembly.Memory.prototype;
        WebAssembly.Memory.prototype.grow = function () {
          WebAssembly.Memory.prototype.grow = grow;
          throw new RangeError("no memory");
        };
      }
      const result = await boot({ runtimeUrl: new URL("/runtime/", location.href).href, ...data.start });
      ({ pyodide } = result);
      const { mode, reason, marks } = result;
      self.postMessage({ mode, reason, marks, heap: pyodide._module.HEAP8.length });
    } else {
      const result = await pyodide.runPythonAsync(data.run, { globals: pyodide.toPy({}) });
      self.postMessage({
        result: result?.toJs ? result.toJs({ dict_converter: Object.fromEntries }) : result,
      });
    }
  } catch (error) {
    self.postMessage({ error: `${error.message}\n${error.stack}` });
  }
};
