import { attachBridge } from '@pyspark-connect-web/bridge';

import type { IPcwConfig } from '../page/config';
import { absolute } from '../page/location';

import type { IKernelWorker } from './tokens';

/**
 * The page's own class, taken before `services/workers.ts` wraps it: the bridge below is to start its network worker while
 * the kernel boots, not when the kernel first asks.
 */
const PageWorker = Worker;

/** A kernel worker with its network bridge. */
export function createWorker(config: IPcwConfig): IKernelWorker {
  // The worker file is an asset that is already bundled; a bundler that saw `new Worker(new URL(...))` would bundle it
  // again, as a classic worker.
  const create = (url: URL): Worker => new PageWorker(url, { type: 'module', name: 'pyspark-kernel' });
  const worker = create(new URL('./kernel.worker.js', import.meta.url));
  const bridge = attachBridge(worker, {
    networkWorker: absolute(`${config.runtimeUrl}js/network_worker.js`)
  });
  return { worker, wake: () => bridge.wake() };
}
