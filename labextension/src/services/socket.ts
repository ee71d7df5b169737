import type { KernelMessage, ServerConnection } from '@jupyterlab/services';

/** Where an in-page socket leads: the browser kernel that it was opened for. */
export interface ISocketPeer {
  /** A message that the front end sent. */
  receive(socket: PageSocket, msg: KernelMessage.IMessage): void;

  /** The front end closed the socket. */
  detach(socket: PageSocket): void;
}

type Handler<E extends Event> = ((event: E) => unknown) | null;

/**
 * The part of a WebSocket that JupyterLab's kernel connection uses, leading to a kernel in this page.
 *
 * Events are delivered in microtasks, in order: background tabs throttle timers, not microtasks.
 */
export class PageSocket {
  constructor(
    readonly url: string,
    readonly protocol: string,
    private readonly _serializer: ServerConnection.ISettings['serializer'],
    private readonly _peer: ISocketPeer | null
  ) {
    this.clientId = new URL(url, location.href).searchParams.get('session_id') ?? '';
    queueMicrotask(() => {
      if (this.readyState !== WebSocket.CONNECTING) {
        return;
      }
      if (this._peer === null) {
        this._closed(1006, 'The browser kernel is gone');
        return;
      }
      this.readyState = WebSocket.OPEN;
      this.onopen?.(new Event('open'));
    });
  }

  /** The front end's session, as in the socket's address. */
  readonly clientId: string;

  readonly bufferedAmount = 0;
  readonly extensions = '';
  binaryType: BinaryType = 'arraybuffer';
  readyState: number = WebSocket.CONNECTING;
  onopen: Handler<Event> = null;
  onmessage: Handler<MessageEvent> = null;
  onclose: Handler<CloseEvent> = null;
  onerror: Handler<Event> = null;

  /** Front end to kernel. Throws what the real socket would while it is not open yet. */
  send(data: string | ArrayBuffer): void {
    if (this.readyState === WebSocket.CONNECTING) {
      throw new DOMException('The socket is still connecting', 'InvalidStateError');
    }
    if (this.readyState !== WebSocket.OPEN) {
      return;
    }
    const bytes = typeof data === 'string' && this.protocol ? new TextEncoder().encode(data).buffer : data;
    const msg = this._serializer.deserialize(bytes as ArrayBuffer, this.protocol);
    queueMicrotask(() => this._peer?.receive(this, msg));
  }

  /** Kernel to front end. Dropped once the socket is closed, as by a real one. */
  deliver(msg: KernelMessage.IMessage): void {
    // Serialized now: the kernel may change the message object afterwards.
    const data = this._serializer.serialize(msg, this.protocol);
    queueMicrotask(() => {
      if (this.readyState === WebSocket.OPEN) {
        this.onmessage?.(new MessageEvent('message', { data }));
      }
    });
  }

  /** Closed by the front end. */
  close(code = 1000, reason = ''): void {
    if (this.readyState >= WebSocket.CLOSING) {
      return;
    }
    this._peer?.detach(this);
    this.readyState = WebSocket.CLOSING;
    queueMicrotask(() => this._closed(code, reason));
  }

  /** Closed by the kernel's side. */
  hangUp(): void {
    if (this.readyState < WebSocket.CLOSING) {
      this.readyState = WebSocket.CLOSING;
      queueMicrotask(() => this._closed(1001, 'The browser kernel was shut down'));
    }
  }

  private _closed(code: number, reason: string): void {
    this.readyState = WebSocket.CLOSED;
    this.onclose?.(new CloseEvent('close', { code, reason, wasClean: code === 1000 }));
  }
}

/** What decides whether an address belongs to a kernel in this page. */
export interface ISocketRouter {
  /** Whether a kernel with this id was ever started in this page. */
  owns(kernelId: string): boolean;

  /** Open an in-page socket to that kernel. */
  connect(kernelId: string, url: string, protocols: string | string[] | undefined): PageSocket;
}

/** The kernel id in a `.../api/kernels/<id>/channels` address, or null. */
export function kernelIdOf(url: string): string | null {
  const found = /\/api\/kernels\/([^/?#]+)\/channels(?:[?#]|$)/.exec(url);
  return found ? decodeURIComponent(found[1]) : null;
}

/** A WebSocket class that opens in-page sockets for the page's own kernels and real ones for everything else. */
export function routedWebSocket(router: ISocketRouter, real: typeof WebSocket): typeof WebSocket {
  return new Proxy(real, {
    construct(target, args: [string | URL, (string | string[])?]) {
      const url = String(args[0]);
      const id = kernelIdOf(url);
      if (id !== null && router.owns(id)) {
        return router.connect(id, url, args[1]);
      }
      return Reflect.construct(target, args);
    }
  });
}
