import type { KernelMessage, ServerConnection } from '@jupyterlab/services';

import type { IKernel, KernelSpecs } from '@jupyterlite/services';

import { UUID } from '@lumino/coreutils';

import type { IFailure } from './messages';
import { abortedReply, errorOutput, failedReply, failureOf, status } from './messages';

import type { ISocketPeer } from './socket';
import { PageSocket } from './socket';

/** A browser kernel that can stop a running cell; stock kernels cannot. */
export interface IInterruptible {
  interrupt(): void;
}

function isInterruptible(kernel: object): kernel is IInterruptible {
  return typeof (kernel as Partial<IInterruptible>).interrupt === 'function';
}

/**
 * One browser kernel, as a Jupyter server would hold it: its sockets, its message queue and its restarts.
 *
 * Requests are handled one at a time. None is dropped: each ends with a reply and an idle status, also when
 * the kernel fails to start. All messages carry one session id for each life of the kernel, because JupyterLab
 * discards a message whose session differs from that of the message that came last.
 */
export class KernelHost implements ISocketPeer {
  constructor(
    readonly id: string,
    readonly name: string,
    readonly location: string,
    private readonly _factory: KernelSpecs.KernelFactory,
    private readonly _serializer: ServerConnection.ISettings['serializer']
  ) {}

  /** The kernel of the current life; null before `start` has resolved and after `dispose`. */
  get kernel(): IKernel | null {
    return this._life?.kernel ?? null;
  }

  get executionState(): KernelMessage.Status {
    return this._state;
  }

  get lastActivity(): string {
    return this._lastActivity;
  }

  get connections(): number {
    return this._sockets.size;
  }

  /** Create the kernel. Resolves as soon as there is one; it may still be booting. */
  async start(): Promise<void> {
    const life: ILife = {
      session: UUID.uuid4(),
      kernel: null,
      ready: false,
      failure: null,
      queue: [],
      current: null
    };
    this._life = life;
    this._setState('starting');
    const kernel = await this._factory({
      id: this.id,
      name: this.name,
      location: this.location,
      sendMessage: msg => this._publish(life, msg)
    });
    if (this._life !== life) {
      // Shut down or restarted while the factory was at work.
      kernel.dispose();
      return;
    }
    life.kernel = kernel;
    void this._awaitReady(life, kernel);
    void this._drain(life);
  }

  /** Replace the kernel by a fresh one. The front end drops its own pending requests. */
  async restart(): Promise<void> {
    this._end();
    await this.start();
  }

  /** Stop the running cell where the kernel can, and abort the cells behind it. */
  interrupt(): void {
    const kernel = this.kernel;
    if (kernel && isInterruptible(kernel)) {
      kernel.interrupt();
    }
    this._abortExecutes();
  }

  /** Shut the kernel down and close its sockets. */
  dispose(): void {
    this._end();
    this._state = 'dead';
    for (const socket of [...this._sockets]) {
      this._sockets.delete(socket);
      socket.hangUp();
    }
  }

  /** Open an in-page socket to this kernel. */
  connect(url: string, protocol: string): PageSocket {
    const socket = new PageSocket(url, protocol, this._serializer, this);
    this._sockets.add(socket);
    return socket;
  }

  detach(socket: PageSocket): void {
    this._sockets.delete(socket);
  }

  receive(socket: PageSocket, msg: KernelMessage.IMessage): void {
    const life = this._life;
    if (!life) {
      return;
    }
    this._lastActivity = new Date().toISOString();
    this._clients.set(msg.header.msg_id, socket);
    const type = msg.header.msg_type;
    if (type === 'input_reply') {
      // The request that asked for it is still being handled: this one cannot queue behind it.
      void life.kernel?.handleMessage(msg);
      return;
    }
    if (type === 'kernel_info_request' && life.kernel && !life.ready && !life.failure) {
      // The front end asks first thing and holds everything else back until it knows.
      void this._handle(life, life.kernel, msg).then(() => {
        if (this._life === life && !life.ready && !life.failure) {
          this._broadcast(life, status('starting'));
        }
      });
      return;
    }
    life.queue.push(msg);
    void this._drain(life);
  }

  private async _awaitReady(life: ILife, kernel: IKernel): Promise<void> {
    try {
      await kernel.ready;
      life.ready = true;
    } catch (reason) {
      life.failure = failureOf(reason, 'KernelStartError');
    }
    if (this._life === life) {
      if (life.current === null && life.queue.length === 0) {
        this._broadcast(life, status('idle'));
      }
      void this._drain(life);
    }
  }

  private async _drain(life: ILife): Promise<void> {
    while (life.current === null && life.kernel && (life.ready || life.failure)) {
      const msg = life.queue.shift();
      if (msg === undefined || this._life !== life) {
        return;
      }
      life.current = msg;
      if (life.failure && msg.header.msg_type !== 'kernel_info_request') {
        this._refuse(life, msg, life.failure);
      } else {
        await this._handle(life, life.kernel, msg);
      }
      life.current = null;
    }
  }

  private async _handle(life: ILife, kernel: IKernel, msg: KernelMessage.IMessage): Promise<void> {
    try {
      await kernel.handleMessage(msg);
    } catch (reason) {
      if (this._life === life) {
        console.error(`The browser kernel failed to handle ${msg.header.msg_type}`, reason);
        this._refuse(life, msg, failureOf(reason, 'KernelError'));
      }
    } finally {
      if (this._life === life) {
        this._clients.delete(msg.header.msg_id);
      }
    }
  }

  /** Answer a request that the kernel cannot handle. */
  private _refuse(life: ILife, msg: KernelMessage.IMessage, failure: IFailure): void {
    this._broadcast(life, status('busy', msg));
    if (msg.header.msg_type === 'execute_request') {
      this._publish(life, errorOutput(msg, failure));
      this._publish(life, failedReply(msg, failure));
    }
    this._broadcast(life, status('idle', msg));
    this._clients.delete(msg.header.msg_id);
  }

  /** Take the waiting execute requests out of the queue and answer each of them. */
  private _abortExecutes(): void {
    const life = this._life;
    if (!life) {
      return;
    }
    const waiting = life.queue;
    life.queue = waiting.filter(msg => msg.header.msg_type !== 'execute_request');
    for (const msg of waiting) {
      if (msg.header.msg_type === 'execute_request') {
        this._broadcast(life, status('busy', msg));
        this._publish(life, abortedReply(msg));
        this._broadcast(life, status('idle', msg));
        this._clients.delete(msg.header.msg_id);
      }
    }
    if (life.current !== null && life.queue.length !== waiting.length) {
      this._broadcast(life, status('busy'));
    }
  }

  /** Kernel to front end: broadcasts to every socket, replies to the socket that asked. */
  private _publish(life: ILife, msg: KernelMessage.IMessage): void {
    if (this._life !== life) {
      return;
    }
    if (msg.channel === 'iopub') {
      this._broadcast(life, msg);
      return;
    }
    const parent = msg.parent_header as Partial<KernelMessage.IHeader>;
    const asked = parent.msg_id === undefined ? undefined : this._clients.get(parent.msg_id);
    const target =
      asked && this._sockets.has(asked) ? asked : [...this._sockets].find(socket => socket.clientId === parent.session);
    target?.deliver(withSession(msg, life.session));
    if (msg.header.msg_type === 'execute_reply') {
      const content = msg.content as KernelMessage.IExecuteReplyMsg['content'];
      const request = life.current?.content as Partial<KernelMessage.IExecuteRequestMsg['content']> | undefined;
      if (content.status === 'error' && request?.stop_on_error !== false) {
        this._abortExecutes();
      }
    }
  }

  private _broadcast(life: ILife, msg: KernelMessage.IMessage): void {
    if (msg.header.msg_type === 'status') {
      this._setState((msg as KernelMessage.IStatusMsg).content.execution_state);
    }
    const stamped = withSession(msg, life.session);
    for (const socket of this._sockets) {
      socket.deliver(stamped);
    }
  }

  private _setState(state: KernelMessage.Status): void {
    this._state = state;
    this._lastActivity = new Date().toISOString();
  }

  private _end(): void {
    const kernel = this.kernel;
    this._life = null;
    this._clients.clear();
    kernel?.dispose();
  }

  private _life: ILife | null = null;
  private _state: KernelMessage.Status = 'starting';
  private _lastActivity = new Date().toISOString();
  private readonly _sockets = new Set<PageSocket>();
  /** The socket that sent the request with this message id. */
  private readonly _clients = new Map<string, PageSocket>();
}

/** From a start to the next restart or the end. */
interface ILife {
  readonly session: string;
  kernel: IKernel | null;
  ready: boolean;
  failure: IFailure | null;
  /** Requests that wait for their turn. */
  queue: KernelMessage.IMessage[];
  /** The request that is being handled. */
  current: KernelMessage.IMessage | null;
}

function withSession(msg: KernelMessage.IMessage, session: string): KernelMessage.IMessage {
  return { ...msg, header: { ...msg.header, session } };
}
