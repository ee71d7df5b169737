import type { Kernel, ServerConnection } from '@jupyterlab/services';

import type { BrowserKernelClient } from './kernelclient';

import type { RoutedKernelSpecClient } from './specs';

/** The kernels of the server and of the page as one list: each request goes to the side that owns the kernel. */
export class RoutedKernelClient implements Kernel.IKernelAPIClient {
  constructor(
    private readonly _server: Kernel.IKernelAPIClient,
    private readonly _browser: BrowserKernelClient,
    private readonly _specs: RoutedKernelSpecClient
  ) {}

  get serverSettings(): ServerConnection.ISettings {
    return this._server.serverSettings;
  }

  async listRunning(): Promise<Kernel.IModel[]> {
    const server = await this._server.listRunning();
    // Read last: a kernel that was started while the server answered must be in the list.
    return [...server, ...this._browser.models().map(model => this._listed(model))];
  }

  async getModel(id: string): Promise<Kernel.IModel | undefined> {
    if (this._browser.owns(id)) {
      const model = await this._browser.getModel(id);
      return model && this._listed(model);
    }
    return this._server.getModel(id);
  }

  async startNew(options: Partial<Pick<Kernel.IModel, 'name'>> = {}): Promise<Kernel.IModel> {
    const name = this._specs.browserName(options.name);
    return name === null ? this._server.startNew(options) : this._listed(await this._browser.startNew({ name }));
  }

  async restart(id: string): Promise<void> {
    return this._side(id).restart(id);
  }

  async interrupt(id: string): Promise<void> {
    return this._side(id).interrupt(id);
  }

  async shutdown(id: string): Promise<void> {
    return this._side(id).shutdown(id);
  }

  private _side(id: string): Kernel.IKernelAPIClient {
    return this._browser.owns(id) ? this._browser : this._server;
  }

  private _listed(model: Kernel.IModel): Kernel.IModel {
    return { ...model, name: this._specs.listedName(model.name) };
  }
}
