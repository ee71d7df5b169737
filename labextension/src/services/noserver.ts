import type { Kernel, KernelSpec, Session } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';

/** The server's side of the routing clients on a page without a Jupyter server: nothing runs there. */

const serverSettings = (): ServerConnection.ISettings => ServerConnection.makeSettings();

function refuse(): never {
  throw new Error('This site has no Jupyter server: choose a kernel that runs in the browser');
}

export class NoKernels implements Kernel.IKernelAPIClient {
  readonly serverSettings = serverSettings();
  listRunning = async (): Promise<Kernel.IModel[]> => [];
  getModel = async (): Promise<undefined> => undefined;
  startNew = async (): Promise<Kernel.IModel> => refuse();
  restart = async (): Promise<void> => refuse();
  interrupt = async (): Promise<void> => refuse();
  shutdown = async (): Promise<void> => undefined;
}

export class NoSessions implements Session.ISessionAPIClient {
  readonly serverSettings = serverSettings();
  listRunning = async (): Promise<Session.IModel[]> => [];
  getModel = async (): Promise<Session.IModel> => refuse();
  startNew = async (): Promise<Session.IModel> => refuse();
  update = async (): Promise<Session.IModel> => refuse();
  shutdown = async (): Promise<void> => undefined;
}

export class NoKernelSpecs implements KernelSpec.IKernelSpecAPIClient {
  readonly serverSettings = serverSettings();
  get = async (): Promise<KernelSpec.ISpecModels> => ({ default: '', kernelspecs: {} });
}
