import type { ServerConnection as Connection, ServiceManagerPlugin } from '@jupyterlab/services';
import { IServerSettings, ServerConnection } from '@jupyterlab/services';

import { IKernelClient, IKernelSpecs } from '@jupyterlite/services';

import { BrowserKernelClient } from '../kernelclient';

import { promiseWaitAsync } from '../waitasync';

import { bridgeWorkers } from '../workers';

/** The kernels that run in this page. */
export const kernelClientPlugin: ServiceManagerPlugin<IKernelClient> = {
  id: 'pcw-server-ext:browser-kernels',
  description: 'Runs browser kernels in this page.',
  autoStart: true,
  requires: [IKernelSpecs],
  optional: [IServerSettings],
  provides: IKernelClient,
  activate: (_: null, specs: IKernelSpecs, settings: Connection.ISettings | null) => {
    promiseWaitAsync();
    bridgeWorkers();
    return new BrowserKernelClient({
      kernelSpecs: specs,
      serverSettings: settings ?? ServerConnection.makeSettings()
    });
  }
};
