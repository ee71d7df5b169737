import type { PyProxy } from 'pyodide/ffi';

import { PyodideRemoteKernel } from '@jupyterlite/pyodide-kernel/lib/worker';

import { createKernelChannel } from '@pyspark-connect-web/bridge';

import type { DriveRequest } from '../kernel/drive';
import type { IKernelEvent, IStartOptions, IStartReport, Method } from '../kernel/protocol';

import type { IBootResult } from '../../../client/runtime/js/restore.js';
import { boot, warm } from '../../../client/runtime/js/restore.js';

import type { IFileSystem } from './drive';
import { Drive } from './drive';

import type { PageWire } from './wire';

/** Where the files that JupyterLab shows are mounted. */
const MOUNTPOINT = '/drive';

/** When the rest of the runtime is downloaded, in milliseconds after the start. */
const WARM_AFTER_MS = 5000;

/** The stock kernel's worker class, on our own runtime, transport, drive and Spark channel. */
export class PySparkRemoteKernel extends PyodideRemoteKernel {
  constructor(private readonly _wire: PageWire) {
    super();
    this.registerWorkerMessageCallback((message: IKernelEvent) => _wire.send({ op: 'message', message }));
    this.registerLogMessageCallback((payload: { level: string; data: unknown }) =>
      _wire.send({ op: 'log', level: payload.level, data: String(payload.data) })
    );
  }

  /** Run a method for the page. */
  async handle(method: Method, args: unknown[]): Promise<unknown> {
    if (method === 'initialize') {
      const options = args[0] as IStartOptions;
      await this.initialize(options);
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

  protected override async initRuntime(options: IStartOptions): Promise<void> {
    this._start = options;
    const log = (level: string) => (data: string) => this._wire.send({ op: 'log', level, data });
    this._booted = await boot({
      runtimeUrl: options.runtimeUrl,
      env: options.spark.env,
      stdout: log('info'),
      stderr: log('warning'),
      onProgress: progress => this._wire.send({ op: 'progress', progress }),
      shared: options.shared as null
    });
    const pyodide = this._booted.pyodide;
    this._pyodide = pyodide;
    options.loadPyodideOptions.packages = Object.keys(this._booted.manifest.kernel.packages);
    if (options.interrupt) {
      pyodide.setInterruptBuffer(new Uint8Array(options.interrupt));
    }
    pyodide.registerJsModule('pcw_channel', createKernelChannel({ checkInterrupt: () => pyodide.checkInterrupt() }));
  }

  protected override async initFilesystem(options: IStartOptions): Promise<void> {
    if (!options.mountDrive) {
      return;
    }
    const { FS, ERRNO_CODES } = this._pyodide as unknown as {
      FS: IFileSystem;
      ERRNO_CODES: Record<string, number>;
    };
    const drive = new Drive(FS, ERRNO_CODES, (request: DriveRequest) => this._wire.ask('drive', request));
    FS.mkdirTree(MOUNTPOINT);
    FS.mount(drive, {}, MOUNTPOINT);
    FS.chdir(MOUNTPOINT);
  }

  protected override async initKernel(options: IStartOptions): Promise<void> {
    // The folder is entered below: the stock code puts its name into a program unquoted.
    await super.initKernel({ ...options, mountDrive: false });
    const pyodide = this._pyodide;
    const locals = pyodide.toPy({
      folder: options.mountDrive ? `${MOUNTPOINT}/${this._localPath}` : null,
      config: JSON.stringify(options.spark)
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

  protected override sendInputRequest(prompt: string, password: boolean): string | undefined {
    if (!this._start?.interrupt) {
      throw new Error(NO_INPUT);
    }
    return this._wire.ask('stdin', { prompt, password }, () => this._pyodide.checkInterrupt()) as string;
  }

  private _report(): IStartReport {
    const { mode, reason, marks, manifest } = this._booted!;
    return { mode, reason, marks, origin: performance.timeOrigin, python: manifest.python };
  }

  private _start: IStartOptions | null = null;
  private _booted: IBootResult | null = null;
}

const NO_INPUT =
  'input() needs a cross-origin isolated page; ask the administrator of the server to leave PcwExtension.isolation on';

/** Python's part of the start failed. */
class StartError extends Error {
  override readonly name = 'KernelStartError';
}

/**
 * The last step before the first cell; it runs outside `execute`, which would count as a cell. Evaluates to the text of
 * what went wrong, or None.
 */
const START = `
def start(folder, config):
    import os, traceback
    try:
        if folder is not None:
            os.chdir(folder)
        import pyspark_connect_web.kernel
        pyspark_connect_web.kernel.start(config)
    except Exception as error:
        return "".join(traceback.format_exception(error)).strip()
start(folder, config)
`;
