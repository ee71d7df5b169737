/**
 * What page and kernel worker say to each other: one versioned envelope over `postMessage`.
 *
 * Calls go from the page to the worker and are answered asynchronously. Questions go from the worker to the
 * page while Python waits: the answer is written into shared memory.
 */

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
