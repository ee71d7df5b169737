import { PageConfig } from '@jupyterlab/coreutils';

import type { IKernel } from '@jupyterlite/services';

import type { IPcwConfig } from '../page/config';
import { SAME_ORIGIN } from '../page/config';
import { absolute } from '../page/location';

import { SERVER_DRIVE } from '../site/tokens';

import type { IBootChoices } from '../transport/protocol';

import type { IStartOptions } from './tokens';

/** What differs between two starts of the same page. */
export interface IStartChoices {
  shared: unknown;
  /** The connection string of a site without a server of its own. */
  connect: string | null;
  /** The page's name for questions through the service worker. */
  context: string | null;
}

/** What a worker can begin to start Python with. */
export function bootChoices(config: IPcwConfig): Omit<IBootChoices, 'shared'> {
  return { runtimeUrl: absolute(config.runtimeUrl), packages: config.packages === true };
}

/** What a kernel worker is told. */
export function startOptions(config: IPcwConfig, options: IKernel.IOptions, choices: IStartChoices): IStartOptions {
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
    taken: isolated ? new SharedArrayBuffer(4) : null,
    questions: choices.context === null ? null : { url: absolute('api/drive'), context: choices.context },
    drives: config.site?.server ? [SERVER_DRIVE] : [],
    preinstalledUrl: config.preinstalledUrl ? absolute(config.preinstalledUrl) : '',
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
