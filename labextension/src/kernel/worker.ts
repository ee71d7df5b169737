import type { KernelMessage } from '@jupyterlab/services';

import type { PyodideAPI } from 'pyodide';
import type { PyCallable, PyProxy } from 'pyodide/ffi';

import { PyodideRemoteKernel } from '@jupyterlite/pyodide-kernel/lib/worker';

import { createKernelChannel } from '@pyspark-connect-web/bridge';
import { SLICE_MS, waitSlice } from '@pyspark-connect-web/bridge/wait.js';

import { explained } from '../../../client/runtime/js/damage.js';
import type { BootResult, Shared } from '../../../client/runtime/js/restore.js';
import { boot, warm } from '../../../client/runtime/js/restore.js';

import type { DriveRequest } from '../drive/tokens';
import type { IFileSystem } from '../drive/worker';
import { Drive } from '../drive/worker';

import { NOT_ISOLATED } from '../page/isolation';

import { askThroughServiceWorker } from '../questions/worker';

import { AnswerError } from '../transport/answers';
import type { IBootChoices, IKernelEvent, Method } from '../transport/protocol';
import type { PageWire } from '../transport/worker';
import { describe } from '../transport/worker';

import { START } from './python';

import { ON_THE_WAY, costOf } from './streamoutput';

import type { IStartOptions, IStartReport } from './tokens';

/** Where the files that JupyterLab shows are mounted. */
const MOUNTPOINT = '/drive';

/** When the rest of the runtime is downloaded, in milliseconds after the start. */
const WARM_AFTER_MS = 5000;

/** The stock kernel's worker class, on our own runtime, transport, drive and Spark channel. */
export class PySparkRemoteKernel extends PyodideRemoteKernel {
  constructor(private readonly _wire: PageWire) {
    super();
    this.registerWorkerMessageCallback((message: IKernelEvent) => {
      this._flushStreams();
      _wire.send({ op: 'message', message });
    });
    this.registerLogMessageCallback((payload: { level: string; data: unknown }) =>
      _wire.send({ op: 'log', level: payload.level, data: String(payload.data) })
    );
  }

  /** Start Python while the page still makes the notebook; a kernel that was called already does that itself. */
  prepare(choices: IBootChoices): void {
    if (!this._start && !this._booting) {
      this._booting = this._boot(choices);
      // Whoever awaits it reports the failure.
      this._booting.catch(() => undefined);
    }
  }

  /** Run a method for the page. */
  async handle(method: Method, args: unknown[]): Promise<unknown> {
    if (method === 'initialize') {
      const options = args[0] as IStartOptions;
      try {
        await this.initialize(options);
      } catch (reason) {
        // Python reads files of the runtime while it starts, too.
        const manifest = this._booted?.manifest ?? null;
        throw await explained(reason, options.runtimeUrl, manifest, options.packages);
      }
      const booted = this._booted!;
      if (booted.mode === 'snapshot') {
        // What tracebacks and later imports read: into the browser's cache, once the first cells have had their turn.
        setTimeout(() => void warm(booted, options.runtimeUrl), WARM_AFTER_MS);
      }
      return this._report();
    }
    const methods = this as unknown as Record<Method, (...args: unknown[]) => Promise<unknown>>;
    return methods[method](...args);
  }

  override async execute(
    content: KernelMessage.IExecuteRequestMsg['content'],
    parent: unknown
  ): Promise<KernelMessage.IExecuteReplyMsg['content']> {
    try {
      return (await super.execute(content, parent)) as KernelMessage.IExecuteReplyMsg['content'];
    } finally {
      this._flushStreamsOfEnded();
    }
  }

  /** What was printed before belongs to the request before. */
  override async setup(parent: KernelMessage.IMessage): Promise<void> {
    this._flushStreamsOfEnded();
    await super.setup(parent);
    this._parent = parent;
  }

  /**
   * End a cell that awaits something. Python looks at the interrupt buffer only while it computes, so the awaiting task
   * is cancelled, as in other kernels.
   */
  cancelAwaiting(): void {
    const buffer = this._start?.interrupt && new Uint8Array(this._start.interrupt);
    if (buffer && this._cancel && Atomics.exchange(buffer, 0, 0) !== 0) {
      this._cancel();
    }
  }

  protected override async initRuntime(options: IStartOptions): Promise<void> {
    this._start = options;
    this._booted = await (this._booting ?? this._boot(options));
    const pyodide = this._booted.pyodide as PyodideAPI;
    this._pyodide = pyodide;
    options.loadPyodideOptions.packages = Object.keys(this._booted.manifest.kernel.packages);
    if (options.interrupt) {
      pyodide.setInterruptBuffer(interruptByte(new Uint8Array(options.interrupt)));
    }
    (pyodide as unknown as IPyodideInternals)._api.on_fatal = async error =>
      this._wire.send({ op: 'fatal', error: describe(error) });
    pyodide.registerJsModule('pcw_channel', createKernelChannel({ checkInterrupt: () => this._whileWaiting() }));
  }

  /** The kernel's own environment comes with `pyspark_connect_web.kernel.start`. */
  private _boot({ runtimeUrl, shared, packages }: IBootChoices): Promise<BootResult> {
    const log = (level: string) => (data: string) => this._wire.send({ op: 'log', level, data });
    return boot({
      runtimeUrl,
      stdout: log('info'),
      stderr: log('warning'),
      onProgress: progress => this._wire.send({ op: 'progress', progress }),
      shared: shared as Partial<Shared> | null,
      packages
    });
  }

  protected override async initFilesystem(options: IStartOptions): Promise<void> {
    if (!options.mountDrive) {
      return;
    }
    const { FS, ERRNO_CODES } = this._pyodide as unknown as {
      FS: IFileSystem;
      ERRNO_CODES: Record<string, number>;
    };
    const { questions } = options;
    const ask = questions
      ? (request: DriveRequest) =>
          askThroughServiceWorker(questions, request, (name, message, code) => new AnswerError(name, message, code))
      : (request: DriveRequest) => this._wire.ask('drive', request);
    FS.mkdirTree(MOUNTPOINT);
    FS.mount(new Drive(FS, ERRNO_CODES, ask), {}, MOUNTPOINT);
    for (const name of options.drives) {
      const inDrive = (path: string): string => `${name}:${path}`;
      FS.mkdirTree(`/${name}`);
      FS.mount(new Drive(FS, ERRNO_CODES, (request: DriveRequest) => ask(moved(request, inDrive))), {}, `/${name}`);
    }
    FS.chdir(MOUNTPOINT);
  }

  protected override async initKernel(options: IStartOptions): Promise<void> {
    // The folder is entered below: the stock code puts its name into a program unquoted.
    await super.initKernel({ ...options, mountDrive: false });
    const pyodide = this._pyodide;
    const locals = pyodide.toPy({
      // Python's None is undefined; null would be an object of its own.
      folder: options.mountDrive ? `${MOUNTPOINT}/${this._localPath}` : undefined,
      config: JSON.stringify(options.spark),
      preinstalled: options.preinstalledUrl || undefined,
      sleep: options.interrupt ? (seconds: number) => this._sleep(seconds) : undefined,
      report_query: (json: string) =>
        this._wire.send({ op: 'message', message: { type: 'query_progress', content: JSON.parse(json) as unknown } }),
      on_cancel: (cancel: PyCallable) => {
        this._cancel = cancel.copy() as PyCallable;
      },
      publish: (name: 'stdout' | 'stderr', text: string) => this._publishStream(name, text),
      on_streams: (flush: PyCallable, whileWaiting: PyCallable) => {
        this._flush = flush.copy() as PyCallable;
        this._flushWaiting = whileWaiting.copy() as PyCallable;
      }
    }) as PyProxy;
    try {
      const failure = (await pyodide.runPythonAsync(START, { locals, filename: '<kernel start>' })) as
        string | undefined;
      if (failure) {
        throw new StartError(failure);
      }
    } finally {
      locals.destroy();
    }
  }

  override input(prompt?: unknown): string | undefined {
    return super.input(this._promptOf(prompt, ''));
  }

  override getpass(prompt?: unknown): string | undefined {
    return super.getpass(this._promptOf(prompt, 'Password: '));
  }

  /** Keyword arguments come as one object; any other object of Python's is shown as `str` shows it. */
  private _promptOf(prompt: unknown, usual: string): string {
    const named = typeof prompt === 'object' && prompt !== null && !(prompt instanceof this._pyodide.ffi.PyProxy);
    const given = (named ? (prompt as { prompt?: unknown }).prompt : prompt) as string | number | PyProxy | undefined;
    return given === undefined ? usual : given.toString();
  }

  protected override sendInputRequest(prompt: string, password: boolean): string | undefined {
    if (!this._start?.interrupt) {
      throw new Error(NOT_ISOLATED);
    }
    this._flushStreams();
    return this._wire.ask('stdin', { prompt, password }, () => this._whileWaiting()) as string;
  }

  /** Block for a while, awake to interrupts. */
  private _sleep(seconds: number): void {
    const end = performance.now() + seconds * 1000;
    const word = new Int32Array(new SharedArrayBuffer(4));
    for (;;) {
      const left = end - performance.now();
      if (left <= 0) {
        return;
      }
      waitSlice(word, 0, 0, left, () => this._whileWaiting());
    }
  }

  /** For whoever blocks: end at an interrupt, and show what was printed before. */
  private _whileWaiting(): void {
    this._pyodide.checkInterrupt();
    const now = performance.now();
    if (now - this._looked >= SLICE_MS / 2) {
      this._looked = now;
      this._flushWaiting?.();
    }
  }

  private _flushStreams(): void {
    this._flush?.();
  }

  /** Outside of a cell: an interrupt came too late for it. */
  private _flushStreamsOfEnded(): void {
    this._mayWait = false;
    try {
      this._flushStreams();
    } catch {
      this._flushStreams();
    } finally {
      this._mayWait = true;
    }
  }

  /** Send text to the page; wait, while it has enough to draw. */
  private _publishStream(name: 'stdout' | 'stderr', text: string): void {
    if (!this._parent) {
      return;
    }
    const message = { type: 'stream', bundle: { name, text }, parentHeader: this._parent.header };
    this._wire.send({ op: 'message', message });
    const taken = this._start?.taken && new Int32Array(this._start.taken);
    if (!taken) {
      return;
    }
    // The word counts up and wraps around, as this does.
    this._published = (this._published + costOf(text)) | 0;
    while (this._mayWait) {
      const seen = Atomics.load(taken, 0);
      if (((this._published - seen) | 0) <= ON_THE_WAY) {
        return;
      }
      waitSlice(taken, 0, seen, Infinity, () => this._pyodide.checkInterrupt());
    }
  }

  private _report(): IStartReport {
    const { mode, reason, marks, manifest } = this._booted!;
    return { mode, reason, marks, origin: performance.timeOrigin, python: manifest.python };
  }

  private _start: IStartOptions | null = null;
  private _booting: Promise<BootResult> | null = null;
  private _booted: BootResult | null = null;
  /** Cancels the Python task of the running cell. */
  private _cancel: PyCallable | null = null;
  /** Has Python send what was printed; and what was held back long enough. */
  private _flush: PyCallable | null = null;
  private _flushWaiting: PyCallable | null = null;
  private _looked = 0;
  /** The request that runs, or ran last. */
  private _parent: KernelMessage.IMessage | null = null;
  /** What text has cost so far, see `costOf`. */
  private _published = 0;
  private _mayWait = true;
}

/**
 * The byte that the page sets to interrupt Python, as Pyodide takes it.
 *
 * Python reads it, and then clears it whatever it has read, every fifty steps: a Stop between the two was lost, some in a
 * hundred in a loop that does nothing else. Here only what was read is cleared.
 */
function interruptByte(bytes: Uint8Array): Uint8Array {
  let read = 0;
  return {
    get 0() {
      return (read = Atomics.load(bytes, 0));
    },
    set 0(value) {
      Atomics.compareExchange(bytes, 0, read, value);
    }
  } as unknown as Uint8Array;
}

/** A request with its paths changed. */
function moved(request: DriveRequest, change: (path: string) => string): DriveRequest {
  const path = change(request.path);
  return request.method === 'rename' ? { ...request, path, newPath: change(request.newPath) } : { ...request, path };
}

interface IPyodideInternals {
  _api: { on_fatal: (error: unknown) => Promise<void> };
}

/** Python's part of the start failed. */
class StartError extends Error {
  override readonly name = 'KernelStartError';
}
