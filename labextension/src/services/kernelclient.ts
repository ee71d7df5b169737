import type { IObservableMap } from '@jupyterlab/observables';

import type { Kernel, KernelMessage, ServerConnection } from '@jupyterlab/services';

import type { IKernel, IKernelClient, IKernelSpecs } from '@jupyterlite/services';

import { UUID } from '@lumino/coreutils';

import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { NOT_ISOLATED } from '../page/isolation';

import { KernelHost } from './host';

import type { ISocketRouter } from './socket';
import { PageSocket } from './socket';

/** The wire protocol of in-page sockets: JupyterLab's own binary one, which keeps buffers. */
const PROTOCOL = 'v1.kernel.websocket.jupyter.org';

/**
 * The kernels that run in this page, behind the same interface as the server's.
 *
 * Which kernels are the page's own is known at once from the map of those that it started: nothing is polled.
 */
export class BrowserKernelClient implements IKernelClient, ISocketRouter {
  constructor(options: BrowserKernelClient.IOptions) {
    this._kernelSpecs = options.kernelSpecs;
    this.serverSettings = options.serverSettings;
  }

  readonly serverSettings: ServerConnection.ISettings;

  /** Emitted when a kernel comes or goes; not when it is restarted. */
  get changed(): ISignal<this, IObservableMap.IChangedArgs<IKernel>> {
    return this._changed;
  }

  /** Whether this kernel runs in the page now. */
  has(id: string): boolean {
    return this._hosts.has(id);
  }

  /** Whether this kernel runs, or ran, in the page: its id never belongs to the server. */
  owns(id: string): boolean {
    return this._started.has(id);
  }

  /** The page's kernel with this id, if it is there. */
  kernel(id: string): IKernel | null {
    return this._hosts.get(id)?.kernel ?? null;
  }

  /** The models of the running kernels, as of now. */
  models(): Kernel.IModel[] {
    return [...this._hosts.values()].map(model);
  }

  async listRunning(): Promise<Kernel.IModel[]> {
    return this.models();
  }

  async getModel(id: string): Promise<Kernel.IModel | undefined> {
    const host = this._hosts.get(id);
    return host && model(host);
  }

  /**
   * Start a kernel. Resolves once its worker exists; requests that come while it boots are held.
   *
   * @throws Error if no browser kernel has that name, or if it cannot be created.
   */
  async startNew(options: BrowserKernelClient.IStartOptions = {}): Promise<Kernel.IModel> {
    const name = options.name ?? '';
    const factory = this._kernelSpecs.factories.get(name);
    if (!factory) {
      throw new Error(`No kernel named "${name}" runs in the browser; choose another kernel`);
    }
    const id = options.id ?? UUID.uuid4();
    const running = this._hosts.get(id);
    if (running) {
      return model(running);
    }
    const host = new KernelHost(id, name, options.location ?? '', factory, this.serverSettings.serializer);
    this._hosts.set(id, host);
    this._started.add(id);
    try {
      await host.start();
    } catch (reason) {
      this._hosts.delete(id);
      throw reason;
    }
    this._emit('add', id, undefined, host.kernel ?? undefined);
    return model(host);
  }

  async restart(id: string): Promise<void> {
    await this._host(id).restart();
  }

  async interrupt(id: string): Promise<void> {
    this._host(id).interrupt();
  }

  async shutdown(id: string): Promise<void> {
    const host = this._hosts.get(id);
    if (host) {
      const kernel = host.kernel ?? undefined;
      this._hosts.delete(id);
      host.dispose();
      this._emit('remove', id, kernel, undefined);
    }
  }

  async shutdownAll(): Promise<void> {
    await Promise.all([...this._hosts.keys()].map(id => this.shutdown(id)));
  }

  /** Input through a service worker, as in JupyterLite without shared memory: not offered here. */
  async handleStdin(_: KernelMessage.IInputRequestMsg): Promise<KernelMessage.IInputReplyMsg> {
    throw new Error(NOT_ISOLATED);
  }

  connect(kernelId: string, url: string, protocols: string | string[] | undefined): PageSocket {
    const offered = protocols === undefined ? [] : [protocols].flat();
    const protocol = offered.includes(PROTOCOL) ? PROTOCOL : '';
    const host = this._hosts.get(kernelId);
    return host ? host.connect(url, protocol) : new PageSocket(url, protocol, this.serverSettings.serializer, null);
  }

  private _host(id: string): KernelHost {
    const host = this._hosts.get(id);
    if (!host) {
      throw new Error(`Kernel ${id} is not running in this page; start it again`);
    }
    return host;
  }

  private _emit(type: 'add' | 'remove', key: string, oldValue?: IKernel, newValue?: IKernel): void {
    this._changed.emit({ type, key, oldValue, newValue });
  }

  private readonly _kernelSpecs: IKernelSpecs;
  private readonly _hosts = new Map<string, KernelHost>();
  private readonly _started = new Set<string>();
  private readonly _changed = new Signal<this, IObservableMap.IChangedArgs<IKernel>>(this);
}

export namespace BrowserKernelClient {
  export interface IOptions {
    kernelSpecs: IKernelSpecs;
    serverSettings: ServerConnection.ISettings;
  }

  export interface IStartOptions {
    /** The kernel's id; a new one if left out. */
    id?: string;
    /** The name of a kernelspec of the browser. */
    name?: string;
    /** The folder to start in, as a contents path. */
    location?: string;
  }
}

function model(host: KernelHost): Kernel.IModel {
  return {
    id: host.id,
    name: host.name,
    connections: host.connections,
    execution_state: host.executionState,
    last_activity: host.lastActivity
  };
}
