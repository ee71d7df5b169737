import type { Kernel, ServerConnection as Connection, ServiceManagerPlugin } from '@jupyterlab/services';
import {
  IConnectionStatus,
  IKernelManager,
  IServerSettings,
  KernelAPI,
  KernelManager,
  ServerConnection
} from '@jupyterlab/services';

import { IKernelClient } from '@jupyterlite/services';

import { isLite } from '../../page/location';

import type { BrowserKernelClient } from '../kernelclient';

import { NoKernels } from '../noserver';

import { RoutedKernelClient } from '../routing';

import { routedWebSocket } from '../socket';

import type { RoutedKernelSpecClient } from '../specs';

import { standby } from '../standby';

import { IRoutedSpecs } from '../tokens';

/** JupyterLab's kernel manager, with the page's kernels among the server's. */
export const kernelManagerPlugin: ServiceManagerPlugin<Kernel.IManager> = {
  id: 'pcw-server-ext:kernel-manager',
  description: 'The kernel manager, for server and browser kernels.',
  autoStart: true,
  requires: [IKernelClient, IRoutedSpecs],
  optional: [IServerSettings, IConnectionStatus],
  provides: IKernelManager,
  activate: (
    _: null,
    client: IKernelClient,
    specs: RoutedKernelSpecClient,
    given: Connection.ISettings | null,
    connection: IConnectionStatus | null
  ) => {
    const browser = client as BrowserKernelClient;
    const settings = given ?? ServerConnection.makeSettings();
    return new KernelManager({
      serverSettings: { ...settings, WebSocket: routedWebSocket(browser, settings.WebSocket) },
      kernelAPIClient: new RoutedKernelClient(
        isLite() ? new NoKernels() : new KernelAPI.KernelAPIClient({ serverSettings: settings }),
        browser,
        specs
      ),
      kernelSpecAPIClient: specs,
      standby: standby(connection)
    });
  }
};
