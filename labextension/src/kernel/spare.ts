import type { IBootChoices, PageFrame } from '../transport/protocol';
import { wrap } from '../transport/protocol';

import type { IKernelWorker } from './tokens';

/** How long a worker waits for its kernel, in milliseconds: creating a notebook on a slow server takes seconds. */
const KEEP_MS = 30_000;

/**
 * A kernel worker that starts Python while JupyterLab still creates the notebook or console.
 *
 * It needs nothing that only the kernel knows. A worker that nobody takes is ended.
 */
export class SpareWorker {
  /**
   * Start a worker, unless one is waiting already.
   *
   * @param choices what its Python starts with; the worker itself does not wait for them
   */
  begin(create: () => IKernelWorker, choices: Promise<IBootChoices>): void {
    if (this._waiting) {
      return;
    }
    const waiting = create();
    const { worker } = waiting;
    this._waiting = waiting;
    // The kernel that takes the worker listens for itself; before that, a worker that fails is no spare.
    worker.addEventListener('error', this._end);
    this._timer = setTimeout(this._end, KEEP_MS);
    void choices.then(
      found => worker.postMessage(wrap({ op: 'prepare', choices: found } satisfies PageFrame)),
      () => undefined
    );
  }

  /** The waiting worker, if there is one. */
  take(): IKernelWorker | null {
    const waiting = this._waiting;
    this._forget();
    return waiting;
  }

  private readonly _end = (): void => {
    this._waiting?.worker.terminate();
    this._forget();
  };

  private _forget(): void {
    clearTimeout(this._timer);
    this._waiting?.worker.removeEventListener('error', this._end);
    this._waiting = null;
  }

  private _waiting: IKernelWorker | null = null;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
