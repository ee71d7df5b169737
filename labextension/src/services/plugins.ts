import type {
  Kernel,
  KernelSpec,
  ServerConnection as Connection,
  ServiceManagerPlugin,
  Session
} from '@jupyterlab/services';
import {
  IConnectionStatus,
  IKernelManager,
  IKernelSpecManager,
  IServerSettings,
  ISessionManager,
  KernelAPI,
  KernelManager,
  KernelSpecAPI,
  KernelSpecManager,
  ServerConnection,
  SessionAPI,
  SessionManager
} from '@jupyterlab/services';

import { IKernelClient, IKernelSpecs, KernelSpecs } from '@jupyterlite/services';

import { Token } from '@lumino/coreutils';

import { isLite } from '../page';

import { BrowserKernelClient } from './kernelclient';

import { NoKernels, NoKernelSpecs, NoSessions } from './noserver';

import { RoutedKernelClient } from './routing';

import { RoutedSessionClient } from './sessions';

import { routedWebSocket } from './socket';

import { RoutedKernelSpecClient } from './specs';

import { promiseWaitAsync } from './waitasync';

import { bridgeWorkers } from './workers';

/** The kernelspecs of both sides, and which name belongs to which. */
const IRoutedSpecs = new Token<RoutedKernelSpecClient>('pcw-server-ext:IRoutedSpecs');

function standby(connection: IConnectionStatus | null): () => boolean | 'when-hidden' {
  return () => !(connection?.isConnected ?? true) || 'when-hidden';
}

/** The registry in which extensions put the kernels that run in the browser. */
const kernelSpecs: ServiceManagerPlugin<IKernelSpecs> = {
  id: 'pcw-server-ext:browser-kernelspecs',
  description: 'The registry of kernels that run in the browser.',
  autoStart: true,
  provides: IKernelSpecs,
  activate: () => new KernelSpecs()
};

/** The kernels that run in this page. */
const kernelClient: ServiceManagerPlugin<IKernelClient> = {
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

/** The kernelspecs of server and browser. */
const routedSpecs: ServiceManagerPlugin<RoutedKernelSpecClient> = {
  id: 'pcw-server-ext:routed-kernelspecs',
  description: 'Lists the kernelspecs of the server and of the browser.',
  autoStart: true,
  requires: [IKernelSpecs],
  optional: [IServerSettings],
  provides: IRoutedSpecs,
  activate: (_: null, specs: IKernelSpecs, settings: Connection.ISettings | null) =>
    new RoutedKernelSpecClient(
      isLite() ? new NoKernelSpecs() : new KernelSpecAPI.KernelSpecAPIClient({ serverSettings: settings ?? undefined }),
      specs
    )
};

/** JupyterLab's kernel manager, with the page's kernels among the server's. */
const kernelManager: ServiceManagerPlugin<Kernel.IManager> = {
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

/** JupyterLab's kernelspec manager over both lists. */
const kernelSpecManager: ServiceManagerPlugin<KernelSpec.IManager> = {
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

/** JupyterLab's session manager over both sides. */
const sessionManager: ServiceManagerPlugin<Session.IManager> = {
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

/**
 * The plugins that let server and browser kernels live side by side in a regular JupyterLab. On a JupyterLite site the
 * registry is JupyterLite's own, so that its other kernels are in it; the rest replaces JupyterLite's, to the same ends.
 */
export const servicePlugins = [
  ...(isLite() ? [] : [kernelSpecs]),
  kernelClient,
  routedSpecs,
  kernelManager,
  kernelSpecManager,
  sessionManager
];
