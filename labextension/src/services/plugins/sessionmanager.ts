import type { Kernel, ServerConnection as Connection, ServiceManagerPlugin, Session } from '@jupyterlab/services';
import {
  IConnectionStatus,
  IKernelManager,
  IServerSettings,
  ISessionManager,
  SessionAPI,
  SessionManager
} from '@jupyterlab/services';

import { IKernelClient } from '@jupyterlite/services';

import { isLite } from '../../page/location';

import type { BrowserKernelClient } from '../kernelclient';

import { NoSessions } from '../noserver';

import { RoutedSessionClient } from '../sessions';

import type { RoutedKernelSpecClient } from '../specs';

import { standby } from '../standby';

import { IRoutedSpecs } from '../tokens';

/** JupyterLab's session manager over both sides. */
export const sessionManagerPlugin: ServiceManagerPlugin<Session.IManager> = {
  id: 'pcw-server-ext:session-manager',
  description: 'The session manager, for server and browser kernels.',
  autoStart: true,
  requires: [IKernelManager, IKernelClient, IRoutedSpecs],
  optional: [IServerSettings, IConnectionStatus],
  provides: ISessionManager,
  activate: (
    _: null,
    kernels: Kernel.IManager,
    client: IKernelClient,
    specs: RoutedKernelSpecClient,
    settings: Connection.ISettings | null,
    connection: IConnectionStatus | null
  ) =>
    new SessionManager({
      kernelManager: kernels,
      serverSettings: settings ?? undefined,
      sessionAPIClient: new RoutedSessionClient(
        isLite() ? new NoSessions() : new SessionAPI.SessionAPIClient({ serverSettings: settings ?? undefined }),
        client as BrowserKernelClient,
        specs
      ),
      standby: standby(connection)
    })
};
