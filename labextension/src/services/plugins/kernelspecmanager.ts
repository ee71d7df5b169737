import type { KernelSpec, ServerConnection as Connection, ServiceManagerPlugin } from '@jupyterlab/services';
import { IConnectionStatus, IKernelSpecManager, IServerSettings, KernelSpecManager } from '@jupyterlab/services';

import { IKernelSpecs } from '@jupyterlite/services';

import type { RoutedKernelSpecClient } from '../specs';

import { standby } from '../standby';

import { IRoutedSpecs } from '../tokens';

/** JupyterLab's kernelspec manager over both lists. */
export const kernelSpecManagerPlugin: ServiceManagerPlugin<KernelSpec.IManager> = {
  id: 'pcw-server-ext:kernel-spec-manager',
  description: 'The kernelspec manager, for server and browser kernels.',
  autoStart: true,
  requires: [IKernelSpecs, IRoutedSpecs],
  optional: [IServerSettings, IConnectionStatus],
  provides: IKernelSpecManager,
  activate: (
    _: null,
    browser: IKernelSpecs,
    specs: RoutedKernelSpecClient,
    settings: Connection.ISettings | null,
    connection: IConnectionStatus | null
  ) => {
    const manager = new KernelSpecManager({
      kernelSpecAPIClient: specs,
      serverSettings: settings ?? undefined,
      standby: standby(connection)
    });
    // Browser kernels are registered while the application starts, often after the first request.
    browser.changed.connect(() => {
      void manager.ready.then(() => manager.refreshSpecs());
    });
    return manager;
  }
};
