import type { KernelSpec, ServerConnection } from '@jupyterlab/services';

import type { IKernelSpecs } from '@jupyterlite/services';

/**
 * The kernelspecs of the server and of the browser as one list.
 *
 * A browser spec whose name the server uses too is listed as `NAME-browser`: neither hides the other.
 */
export class RoutedKernelSpecClient implements KernelSpec.IKernelSpecAPIClient {
  constructor(
    private readonly _server: KernelSpec.IKernelSpecAPIClient,
    private readonly _browser: IKernelSpecs
  ) {}

  get serverSettings(): ServerConnection.ISettings {
    return this._server.serverSettings;
  }

  async get(): Promise<KernelSpec.ISpecModels> {
    const server = await this._server.get();
    this._serverNames = new Set(Object.keys(server.kernelspecs));
    const kernelspecs = { ...server.kernelspecs };
    for (const [name, spec] of Object.entries(this._browser.specs?.kernelspecs ?? {})) {
      if (spec) {
        const listed = this.listedName(name);
        kernelspecs[listed] = { ...spec, name: listed };
      }
    }
    return { default: server.default || this._browser.specs?.default || '', kernelspecs };
  }

  /** The name under which a browser spec is listed. */
  listedName(name: string): string {
    return this._serverNames.has(name) ? `${name}-browser` : name;
  }

  /** The browser spec that a listed name stands for, or null if the name is the server's. */
  browserName(listed: string | undefined): string | null {
    if (listed === undefined) {
      return null;
    }
    for (const name of this._browser.factories.keys()) {
      if (this.listedName(name) === listed) {
        return name;
      }
    }
    return null;
  }

  private _serverNames = new Set<string>();
}
