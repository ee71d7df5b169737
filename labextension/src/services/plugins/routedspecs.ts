import type { ServerConnection as Connection, ServiceManagerPlugin } from '@jupyterlab/services';
import { IServerSettings, KernelSpecAPI } from '@jupyterlab/services';

import { IKernelSpecs } from '@jupyterlite/services';

import { isLite } from '../../page/location';

import { NoKernelSpecs } from '../noserver';

import { RoutedKernelSpecClient } from '../specs';

import { IRoutedSpecs } from '../tokens';

/** The kernelspecs of server and browser. */
export const routedSpecsPlugin: ServiceManagerPlugin<RoutedKernelSpecClient> = {
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
