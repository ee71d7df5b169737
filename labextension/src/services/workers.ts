import { wrapWorker } from '@pyspark-connect-web/bridge/worker_wrapper.js';

import { tryConfig } from '../page/config';
import { absolute } from '../page/location';

/**
 * Give every worker that the page makes from now on a bridge to the network, if it asks for one: in a stock Pyodide kernel
 * `import pyspark_connect_web as pcw; pcw.install()` is then all that a notebook needs.
 *
 * Kernels are made by this extension's own kernel client, so wrapping `Worker` when that client is made comes before all of
 * them; a script in the page's head, as on a JupyterLite site, is not needed. Where there is one, this does nothing.
 */
export function bridgeWorkers(): void {
  const config = tryConfig();
  if (config) {
    wrapWorker(globalThis, { networkWorker: absolute(`${config.runtimeUrl}js/network_worker.js`) });
  }
}
