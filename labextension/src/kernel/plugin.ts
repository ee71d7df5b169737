import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { PageConfig } from '@jupyterlab/coreutils';

import type { IKernel } from '@jupyterlite/services';
import { IKernelSpecs } from '@jupyterlite/services';

import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { attachBridge } from '@pyspark-connect-web/bridge';

import { preload } from '../../../client/runtime/js/preload.js';

import type { IPcwConfig } from '../config';
import { readConfig, tryConfig } from '../config';

import { absolute, isLite } from '../page';

import { receivedRequest } from '../site/asking';
import { SAME_ORIGIN } from '../site/config';
import { SiteConnection } from '../site/connection';
import { SERVER_DRIVE } from '../site/plugins';
import { QuestionChannel, serviceWorkerReady } from '../site/questions';

import { toBase64 } from './base64';

import { DriveServer } from './drive';

import { ICON_URL } from './icon';

import type { IKernelWorker } from './kernel';
import { PySparkKernel } from './kernel';

import type { IBootChoices, IStartOptions } from './protocol';

import { SpareWorker } from './spare';

import { IQueryView } from './queries';

import { IKernelStarts, KernelStarts } from './starts';

export const KERNEL_NAME = 'pyspark_browser';
export const KERNEL_LABEL = 'PySpark (browser)';

/** The latest that the runtime's download begins in a busy page, in milliseconds. */
const PREFETCH_LATEST_MS = 5000;

/**
 * The page's own class, taken before `services/workers.ts` wraps it: the bridge below is to start its network worker while
 * the kernel boots, not when the kernel first asks.
 */
const PageWorker = Worker;

function createWorker(config: IPcwConfig): IKernelWorker {
  // The worker file is an asset that is already bundled; a bundler that saw `new Worker(new URL(...))` would bundle it
  // again, as a classic worker.
  const create = (url: URL): Worker => new PageWorker(url, { type: 'module', name: 'pyspark-kernel' });
  const worker = create(new URL('./kernel.worker.js', import.meta.url));
  const bridge = attachBridge(worker, {
    networkWorker: absolute(`${config.runtimeUrl}js/network_worker.js`)
  });
  return { worker, wake: () => bridge.wake() };
}

/** What differs between two starts of the same page. */
interface IStartChoices {
  shared: unknown;
  /** The connection string of a site without a server of its own. */
  connect: string | null;
  /** The page's name for questions through the service worker. */
  context: string | null;
}

function bootChoices(config: IPcwConfig): Omit<IBootChoices, 'shared'> {
  return { runtimeUrl: absolute(config.runtimeUrl), packages: config.packages === true };
}

function startOptions(config: IPcwConfig, options: IKernel.IOptions, choices: IStartChoices): IStartOptions {
  const isolated = crossOriginIsolated;
  const { runtimeUrl } = bootChoices(config);
  return {
    baseUrl: PageConfig.getBaseUrl(),
    pyodideUrl: `${runtimeUrl}pyodide/pyodide.mjs`,
    indexUrl: `${runtimeUrl}pyodide/`,
    pipliteWheelUrl: '',
    pipliteUrls: [],
    disablePyPIFallback: true,
    location: options.location,
    mountDrive: isolated || choices.context !== null,
    loadPyodideOptions: { lockFileURL: `${runtimeUrl}pyodide/pyodide-lock.json`, packages: [] },
    kernelId: options.id,
    ...bootChoices(config),
    interrupt: isolated ? new SharedArrayBuffer(1) : null,
    questions: choices.context === null ? null : { url: absolute('api/drive'), context: choices.context },
    drives: config.site?.server ? [SERVER_DRIVE] : [],
    spark: {
      remote: ownEndpoint(config),
      ...(choices.connect === null ? {} : { connect: choices.connect }),
      channel: config.channel,
      isolated,
      env: {}
    },
    shared: choices.shared
  };
}

/** The page's own server's endpoint; a site on a static host has none, and no page of another origin is its own. */
function ownEndpoint(config: IPcwConfig): string {
  const elsewhere = config.site && config.site.endpoint !== SAME_ORIGIN;
  return absolute(elsewhere ? `pcw/grpc/${config.endpoint}` : `${config.grpcUrl}${config.endpoint}`);
}

/** On a site whose page is not isolated, files come through its service worker. */
async function questionContext(): Promise<string | null> {
  return isLite() && !crossOriginIsolated && (await serviceWorkerReady()) ? crypto.randomUUID() : null;
}

/** What the page has downloaded ahead: given to a kernel only if it is all there, never waited for. */
class Prefetch {
  begin(config: IPcwConfig): void {
    this._runtime ??= preload(absolute(config.runtimeUrl), { packages: config.packages === true });
  }

  async shared(): Promise<unknown> {
    return this._runtime?.ready ? this._runtime.shared() : null;
  }

  private _runtime: ReturnType<typeof preload> | null = null;
}

/** Puts the kernel "PySpark (browser)" into the launcher. */
export const kernelPlugin: JupyterFrontEndPlugin<IKernelStarts> = {
  id: 'pcw-server-ext:kernel',
  description: 'The kernel "PySpark (browser)".',
  autoStart: true,
  requires: [IKernelSpecs],
  optional: [IQueryView],
  provides: IKernelStarts,
  activate: (app: JupyterFrontEnd, kernelSpecs: IKernelSpecs, queries: IQueryView | null) => {
    const starts = new KernelStarts();
    const prefetch = new Prefetch();
    const spare = new SpareWorker();
    kernelSpecs.register({
      spec: {
        name: KERNEL_NAME,
        display_name: KERNEL_LABEL,
        language: 'python',
        argv: [],
        metadata: {},
        resources: { 'logo-svg': ICON_URL, 'logo-64x64': ICON_URL }
      },
      create: async options => {
        const config = readConfig();
        const connect = config.site ? await new SiteConnection(config.site).forKernel() : null;
        const [shared, context] = await Promise.all([prefetch.shared(), questionContext()]);
        const contents = app.serviceManager.contents;
        const kernel = new PySparkKernel({
          ...options,
          createWorker: () => spare.take() ?? createWorker(config),
          start: startOptions(config, options, { shared, connect, context }),
          contents,
          keepText: isLite(),
          log: (level, text) => console.info(`[${KERNEL_LABEL}] ${level}: ${text}`),
          onStart: start => starts.report(options.id, start),
          onQuery: (request, progress) => queries?.show(request, progress)
        });
        if (context !== null) {
          const drive = new DriveServer(contents, isLite());
          const questions = new QuestionChannel(context, async sent => drive.handle(receivedRequest(sent)), toBase64);
          kernel.disposed.connect(() => questions.dispose());
        }
        return kernel;
      }
    });
    const config = tryConfig();
    if (config?.runtimeUrl) {
      app.commands.commandExecuted.connect((_, { id, args }) => {
        if (asksForKernel(id, args)) {
          const boot = prefetch.shared().then(shared => ({ ...bootChoices(config), shared }));
          spare.begin(() => createWorker(config), boot);
        }
      });
    }
    if (config?.prefetch && config.runtimeUrl) {
      void app.restored.then(() => whenIdle(() => prefetch.begin(config)));
    }
    return starts;
  }
};

/** Whether a command, such as the launcher's, is about to make a notebook or console with our kernel. */
function asksForKernel(command: string, args: ReadonlyPartialJSONObject): boolean {
  const preference = args['kernelPreference'] as { name?: string } | undefined;
  return (
    (command === 'notebook:create-new' && args['kernelName'] === KERNEL_NAME) ||
    (command === 'console:create' && preference?.name === KERNEL_NAME)
  );
}

/** Run something once the page has nothing better to do. */
function whenIdle(work: () => void): void {
  if ('requestIdleCallback' in window) {
    requestIdleCallback(work, { timeout: PREFETCH_LATEST_MS });
  } else {
    setTimeout(work, PREFETCH_LATEST_MS);
  }
}
