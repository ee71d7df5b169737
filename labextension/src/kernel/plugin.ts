import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { PageConfig } from '@jupyterlab/coreutils';

import type { IKernel } from '@jupyterlite/services';
import { IKernelSpecs } from '@jupyterlite/services';

import { attachBridge } from '@pyspark-connect-web/bridge';

import type { IPcwConfig } from '../config';
import { readConfig } from '../config';

import { ICON_URL } from './icon';

import type { IKernelWorker } from './kernel';
import { PySparkKernel } from './kernel';

import type { IStartOptions } from './protocol';

export const KERNEL_NAME = 'pyspark_browser';
export const KERNEL_LABEL = 'PySpark (browser)';

/** A path of the page's origin as an absolute URL: workers have another base. */
function absolute(path: string): string {
  return new URL(path, location.href).href;
}

function createWorker(config: IPcwConfig): IKernelWorker {
  // The worker file is an asset that is already bundled; a bundler that saw `new Worker(new URL(...))` would bundle it
  // again, as a classic worker.
  const create = (url: URL): Worker => new Worker(url, { type: 'module', name: 'pyspark-kernel' });
  const worker = create(new URL('./kernel.worker.js', import.meta.url));
  const bridge = attachBridge(worker, {
    networkWorker: absolute(`${config.runtimeUrl}js/network_worker.js`)
  });
  return { worker, wake: () => bridge.wake() };
}

function startOptions(config: IPcwConfig, options: IKernel.IOptions): IStartOptions {
  const isolated = crossOriginIsolated;
  const runtimeUrl = absolute(config.runtimeUrl);
  return {
    baseUrl: PageConfig.getBaseUrl(),
    pyodideUrl: `${runtimeUrl}pyodide/pyodide.mjs`,
    indexUrl: `${runtimeUrl}pyodide/`,
    pipliteWheelUrl: '',
    pipliteUrls: [],
    disablePyPIFallback: true,
    location: options.location,
    mountDrive: isolated,
    loadPyodideOptions: { lockFileURL: `${runtimeUrl}pyodide/pyodide-lock.json`, packages: [] },
    kernelId: options.id,
    runtimeUrl,
    interrupt: isolated ? new SharedArrayBuffer(1) : null,
    spark: {
      remote: absolute(`${config.grpcUrl}${config.endpoint}`),
      channel: config.channel,
      isolated,
      env: {}
    },
    shared: null
  };
}

/** Puts the kernel "PySpark (browser)" into the launcher. */
export const kernelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'pcw-server-ext:kernel',
  description: 'The kernel "PySpark (browser)".',
  autoStart: true,
  requires: [IKernelSpecs],
  activate: (app: JupyterFrontEnd, kernelSpecs: IKernelSpecs) => {
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
        return new PySparkKernel({
          ...options,
          createWorker: () => createWorker(config),
          start: startOptions(config, options),
          contents: app.serviceManager.contents,
          keepText: false,
          log: (level, text) => console.info(`[${KERNEL_LABEL}] ${level}: ${text}`)
        });
      }
    });
  }
};
