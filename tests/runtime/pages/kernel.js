// A kernel worker without a notebook: boots the runtime and runs Python for the test.
import { boot } from '/runtime/js/restore.js';

let pyodide;

self.onmessage = async ({ data }) => {
  try {
    if (data.start) {
      const result = await boot({ runtimeUrl: new URL('/runtime/', location.href).href, ...data.start });
      ({ pyodide } = result);
      const { mode, reason, marks } = result;
      const heap = pyodide._module.HEAP8.length;
      self.postMessage({ mode, reason, marks, heap, packages: Object.keys(pyodide.loadedPackages) });
    } else {
      const result = await pyodide.runPythonAsync(data.run, { globals: pyodide.toPy({}) });
      self.postMessage({ result: result?.toJs ? result.toJs({ dict_converter: Object.fromEntries }) : result });
    }
  } catch (error) {
    self.postMessage({ error: String(error?.stack ?? error) });
  }
};
