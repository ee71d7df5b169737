import { preload } from '../../../client/runtime/js/preload.js';

import type { IPcwConfig } from '../page/config';
import { absolute } from '../page/location';

/** The latest that the runtime's download begins in a busy page, in milliseconds. */
const PREFETCH_LATEST_MS = 5000;

/** What the page has downloaded ahead: given to a kernel only if it is all there, never waited for. */
export class Prefetch {
  begin(config: IPcwConfig): void {
    this._runtime ??= preload(absolute(config.runtimeUrl), { packages: config.packages === true });
  }

  async shared(): Promise<unknown> {
    return this._runtime?.ready ? this._runtime.shared() : null;
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
