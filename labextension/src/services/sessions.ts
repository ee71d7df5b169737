import { PathExt } from '@jupyterlab/coreutils';

import type { Kernel, ServerConnection, Session } from '@jupyterlab/services';

import { UUID } from '@lumino/coreutils';

import type { BrowserKernelClient } from './kernelclient';

import type { RoutedKernelSpecClient } from './specs';

type Update = Parameters<Session.ISessionAPIClient['update']>[0];

/**
 * The sessions of the server and of the page as one list.
 *
 * A session keeps its id for its whole life, also when its kernel moves from the server to the page or back:
 * JupyterLab's session connections hold on to the id.
 */
export class RoutedSessionClient implements Session.ISessionAPIClient {
  constructor(
    private readonly _server: Session.ISessionAPIClient,
    private readonly _kernels: BrowserKernelClient,
    private readonly _specs: RoutedKernelSpecClient
  ) {
    _kernels.changed.connect((_, change) => {
      if (change.type === 'remove') {
        this._forgetKernel(change.key);
      }
    });
  }

  get serverSettings(): ServerConnection.ISettings {
    return this._server.serverSettings;
  }

  async listRunning(): Promise<Session.IModel[]> {
    const server = await this._server.listRunning();
    // Read last: a session that was started while the server answered must be in the list.
    const own = [...this._sessions.values()].map(session => this._model(session));
    return [...server.map(model => this._known(model)).filter(model => !this._sessions.has(model.id)), ...own];
  }

  async getModel(id: string): Promise<Session.IModel> {
    const session = this._sessions.get(id);
    return session ? this._model(session) : this._known(await this._server.getModel(this._serverId(id)));
  }

  async startNew(options: Session.ISessionOptions): Promise<Session.IModel> {
    const kernel = await this._browserKernel(options.kernel, options.path);
    if (kernel === null) {
      return this._known(await this._server.startNew(options));
    }
    const { path, type } = options;
    const session: IOwnSession = { id: UUID.uuid4(), path, name: options.name, type, kernelId: kernel };
    this._sessions.set(session.id, session);
    return this._model(session);
  }

  async update(change: Update): Promise<Session.IModel> {
    const { id } = change;
    const session = this._sessions.get(id);
    const before = session ? this._model(session) : null;
    if (!change.kernel) {
      if (!session) {
        return this._known(await this._server.update({ ...change, id: this._serverId(id) }));
      }
      Object.assign(session, {
        path: change.path ?? session.path,
        name: change.name ?? session.name,
        type: change.type ?? session.type
      });
      return this._model(session);
    }
    const target = { ...(before ?? (await this.getModel(id))), ...stripKernel(change) };
    const kernel = await this._browserKernel(change.kernel, target.path);
    if (kernel !== null) {
      const moved: IOwnSession = { id, path: target.path, name: target.name, type: target.type, kernelId: kernel };
      this._sessions.set(id, moved);
      if (session) {
        await this._release(session.kernelId);
      } else {
        await this._server.shutdown(this._serverId(id));
        this._forgetAlias(id);
      }
      return this._model(moved);
    }
    if (!session) {
      return this._known(await this._server.update({ ...change, id: this._serverId(id) }));
    }
    const started = await this._server.startNew({
      path: target.path,
      name: target.name,
      type: target.type,
      kernel: change.kernel
    });
    this._aliases.set(id, started.id);
    this._sessions.delete(id);
    await this._release(session.kernelId);
    return this._known(started);
  }

  async shutdown(id: string): Promise<void> {
    const session = this._sessions.get(id);
    if (!session) {
      await this._server.shutdown(this._serverId(id));
      this._forgetAlias(id);
      return;
    }
    this._sessions.delete(id);
    await this._release(session.kernelId);
  }

  /** The id of the page's kernel to use, started if necessary, or null if the server is meant. */
  private async _browserKernel(
    kernel: Partial<Kernel.IModel> | null | undefined,
    path: string
  ): Promise<string | null> {
    if (kernel?.id !== undefined && kernel.id !== '') {
      return this._kernels.has(kernel.id) ? kernel.id : null;
    }
    const name = this._specs.browserName(kernel?.name);
    if (name === null) {
      return null;
    }
    return (await this._kernels.startNew({ name, location: PathExt.dirname(path) })).id;
  }

  /** Shut a kernel down unless another session shares it. */
  private async _release(kernelId: string): Promise<void> {
    if (![...this._sessions.values()].some(session => session.kernelId === kernelId)) {
      await this._kernels.shutdown(kernelId);
    }
  }

  private _forgetKernel(kernelId: string): void {
    for (const session of [...this._sessions.values()]) {
      if (session.kernelId === kernelId) {
        this._sessions.delete(session.id);
      }
    }
  }

  private _model(session: IOwnSession): Session.IModel {
    const { id, path, name, type, kernelId } = session;
    const kernel = this._kernels.models().find(model => model.id === kernelId);
    return {
      id,
      path,
      name,
      type,
      kernel: kernel ? { ...kernel, name: this._specs.listedName(kernel.name) } : null
    };
  }

  private _serverId(id: string): string {
    return this._aliases.get(id) ?? id;
  }

  /** A server session under the id that the page knows it by. */
  private _known(model: Session.IModel): Session.IModel {
    for (const [id, serverId] of this._aliases) {
      if (serverId === model.id) {
        return { ...model, id };
      }
    }
    return model;
  }

  private _forgetAlias(id: string): void {
    this._aliases.delete(id);
  }

  private readonly _sessions = new Map<string, IOwnSession>();
  /** Sessions that began in the page and moved to a server kernel: the page's id to the server's. */
  private readonly _aliases = new Map<string, string>();
}

interface IOwnSession {
  readonly id: string;
  path: string;
  name: string;
  type: string;
  readonly kernelId: string;
}

function stripKernel(change: Update): Partial<Pick<Session.IModel, 'path' | 'name' | 'type'>> {
  const { path, name, type } = change;
  return Object.fromEntries(Object.entries({ path, name, type }).filter(([, value]) => value !== undefined));
}
