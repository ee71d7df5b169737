/**
 * What page and kernel worker say to each other: one versioned envelope over `postMessage`.
 *
 * Calls go from the page to the worker and are answered asynchronously. Questions go from the worker to the
 * page while Python waits: the answer is written into shared memory.
 */

import type { IPyodideWorkerKernel } from '@jupyterlite/pyodide-kernel/lib/tokens';

import type { IQuestionRoute } from '../site/questions';

/** The envelope's key; the network bridge's `__pcw__` messages on the same worker are left alone. */
export const ENVELOPE = '__pcw_kernel__';

/** Raised whenever a frame or the layout of an answer changes. */
export const VERSION = 2;

/** What the page may call in the worker. */
export type Method =
  'initialize' | 'execute' | 'complete' | 'inspect' | 'isComplete' | 'commInfo' | 'commOpen' | 'commMsg' | 'commClose';

/** What the worker may ask the page while it blocks. */
export type Topic = 'drive' | 'stdin';

export interface IErrorFrame {
  name: string;
  message: string;
}

export interface IProgress {
  stage: 'download' | 'start' | 'ready';
  /** Bytes so far and in all, uncompressed; 0 where unknown. */
  loaded: number;
  total: number;
}

/** How far a query of the running cell is; see `pyspark_connect_web.kernel.progress`. */
export type QueryProgress =
  | { operation: string; done: true }
  | {
      operation: string;
      done: false;
      /** What the kernel does instead of a query, in words; else empty. */
      label: string;
      /** Counts are 0 where the server reports none. */
      stages: number;
      stages_done: number;
      tasks: number;
      tasks_done: number;
      running: number;
      /** Bytes read. */
      bytes: number;
    };

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

/** What Python's start needs before the kernel itself is known. */
export interface IBootChoices {
  /** Absolute URL of the runtime bundle; ends with `/`. */
  runtimeUrl: string;
  /** Whether the server has the packages that the bundle lacks. */
  packages: boolean;
  /** What the page has downloaded ahead, if anything. */
  shared: unknown;
}

export type PageFrame =
  | { op: 'prepare'; choices: IBootChoices }
  | { op: 'call'; id: number; method: Method; args: unknown[] }
  | { op: 'more'; question: number; buffer: SharedArrayBuffer }
  | { op: 'interrupt' };

export type WorkerFrame =
  | { op: 'result'; id: number; value: unknown }
  | { op: 'failed'; id: number; error: IErrorFrame }
  | { op: 'message'; message: IKernelEvent }
  | { op: 'fatal'; error: IErrorFrame }
  | { op: 'log'; level: string; data: string }
  | { op: 'progress'; progress: IProgress }
  | { op: 'ask'; question: number; topic: Topic; request: unknown; buffer: SharedArrayBuffer }
  | { op: 'more'; question: number; buffer: SharedArrayBuffer };

/** A message of the stock kernel's Python side, as its worker class makes it. */
export interface IKernelEvent {
  type: string;
  bundle?: unknown;
  content?: unknown;
  metadata?: unknown;
  buffers?: unknown;
  parentHeader?: unknown;
}

/** What the worker needs to know to start. */
export interface IStartOptions extends IPyodideWorkerKernel.IOptions, IBootChoices {
  /** One byte that the page sets to 2 to interrupt Python; null on a page that is not isolated. */
  interrupt: SharedArrayBuffer | null;
  /** How files are asked for without shared memory; null on an isolated page, or without a service worker. */
  questions: IQuestionRoute | null;
  /** Names of further drives of the page, each mounted as a folder of its own in the root. */
  drives: string[];
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

/** Words at the beginning of an answer buffer; the payload follows at `ANSWER_HEADER` bytes. */
export const enum AnswerWord {
  State = 0,
  Kind = 1,
  Length = 2
}

export const enum AnswerState {
  Pending = 0,
  /** Kind, length and payload are there. */
  Given = 1,
  /** Kind and length are there; the payload needs a larger buffer. */
  TooLong = 2
}

export const enum AnswerKind {
  Json = 0,
  Bytes = 1,
  Error = 2
}

export const ANSWER_HEADER = 16;

export function wrap<F extends PageFrame | WorkerFrame>(frame: F): Record<string, unknown> {
  return { [ENVELOPE]: { v: VERSION, ...frame } };
}

/** The frame in a message, or null if the message is not ours; a frame of another version has `v` only. */
export function unwrap<F extends PageFrame | WorkerFrame>(data: unknown): (F & { v: number }) | null {
  if (typeof data !== 'object' || data === null) {
    return null;
  }
  return ((data as Record<string, unknown>)[ENVELOPE] as (F & { v: number }) | undefined) ?? null;
}
