import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type { IKernelStarts, IStartChange, Start } from './tokens';

/** Where the kernels of this page report their starts. */
export class KernelStarts implements IKernelStarts {
  get changed(): ISignal<this, IStartChange> {
    return this._changed;
  }

  report(kernelId: string, start: Start): void {
    this._changed.emit({ kernelId, start });
  }

  private readonly _changed = new Signal<this, IStartChange>(this);
}
