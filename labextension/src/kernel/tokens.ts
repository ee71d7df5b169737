import type { IPyodideWorkerKernel } from '@jupyterlite/pyodide-kernel/lib/tokens';

import type { IQuestionRoute } from '../questions/tokens';

import type { IBootChoices } from '../transport/protocol';

export const KERNEL_NAME = 'pyspark_browser';
export const KERNEL_LABEL = 'PySpark (browser)';

/** The name of the performance entry of a kernel start; its detail is the kernel's id and an IStartReport. */
export const START_MEASURE = 'pcw:kernel-start';

/** How a start went, for the log and for measurements. */
export interface IStartReport {
  mode: 'snapshot' | 'ordinary';
  /** Why the snapshot was not used, if it was not. */
  reason: string | null;
  /** Milliseconds since the worker's time origin, by step. */
  marks: Record<string, number>;
  /** `performance.timeOrigin` of the worker. */
  origin: number;
  python: string;
}

/** What the worker needs to know to start. */
export interface IStartOptions extends IPyodideWorkerKernel.IOptions, IBootChoices {
  /** One byte that the page sets to 2 to interrupt Python; null on a page that is not isolated. */
  interrupt: SharedArrayBuffer | null;
  /** One word that counts up by the text that the page has taken; null on a page that is not isolated. */
  taken: SharedArrayBuffer | null;
  /** How files are asked for without shared memory; null on an isolated page, or without a service worker. */
  questions: IQuestionRoute | null;
  /** Names of further drives of the page, each mounted as a folder of its own in the root. */
  drives: string[];
  /** Absolute URL of the list of packages that every kernel has; empty: there is none. */
  preinstalledUrl: string;
  /** For `pyspark_connect_web.kernel.start`. */
  spark: {
    remote: string;
    /** Connection string for `SPARK_REMOTE`, if that is not `remote`. */
    connect?: string;
    channel: 'sab' | 'xhr';
    isolated: boolean;
    env: Record<string, string>;
  };
}

/** A kernel's worker and its network bridge. */
export interface IKernelWorker {
  worker: Worker;
  /** End a blocking wait of the kernel at once. */
  wake: () => void;
}
