import { Token } from '@lumino/coreutils';

import type { ISignal } from '@lumino/signaling';

import type { IProgress } from '../transport/protocol';

/** How the start of a kernel stands. */
export type Start =
  { state: 'starting'; progress: IProgress | null } | { state: 'ready' } | { state: 'failed'; reason: Error };

export interface IStartChange {
  kernelId: string;
  start: Start;
}

/** The starts of this page's PySpark kernels, for whatever shows them. */
export interface IKernelStarts {
  readonly changed: ISignal<IKernelStarts, IStartChange>;
}

export const IKernelStarts = new Token<IKernelStarts>(
  'pcw-server-ext:IKernelStarts',
  'The starts of PySpark kernels in this page.'
);
