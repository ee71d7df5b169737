import { preload } from '../../../client/runtime/js/preload.js';

import type { IPcwConfig } from '../page/config';
import { absolute } from '../page/location';

/** The latest that the runtime's download begins in a busy page, in milliseconds. */
const PREFETCH_LATEST_MS = 5000;

/**
 * What the page downloads once for all its kernels. A kernel that starts before it is there joins the download: a window
 * whose cache does not keep the snapshot, such as a private one, would fetch it a second time.
 */
export class Prefetch {
  begin(config: IPcwConfig): void {
    this._runtime ??= preload(absolute(config.runtimeUrl), { packages: config.packages === true });
  }

  /** For a kernel that starts now: null where the page downloads nothing ahead, or could not. */
  async shared(config: IPcwConfig): Promise<unknown> {
    if (config.prefetch && config.runtimeUrl) {
      this.begin(config);
    }
    return (await this._runtime?.shared()) ?? null;
  }

  private _runtime: ReturnType<typeof preload> | null = null;
}

/** Run something once the page has nothing better to do. */
export function whenIdle(work: () => void): void {
  if ('requestIdleCallback' in window) {
    requestIdleCallback(work, { timeout: PREFETCH_LATEST_MS });
  } else {
    setTimeout(work, PREFETCH_LATEST_MS);
  }
}
