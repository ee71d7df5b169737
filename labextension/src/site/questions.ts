import type { Answer } from '../kernel/transport';

/**
 * Questions of a kernel on a page that is not cross-origin isolated.
 *
 * Without shared memory a worker can only wait for a synchronous request. JupyterLite's service worker answers those
 * below `/api/drive` with what a page of the origin posts on this channel; its protocol is in the contents chapter of
 * JupyterLite's documentation. All pages hear all questions, so each one names the page that it is for.
 */
export const CHANNEL = '/sw-api.v1';

/** How a kernel worker reaches its page through the service worker. */
export interface IQuestionRoute {
  /** Absolute URL that the service worker answers. */
  url: string;
  /** The page's name on the channel. */
  context: string;
}

/** Bytes travel as base64: the channel's answers are JSON. */
export interface IQuestionAnswer {
  value?: unknown;
  bytes?: string;
  error?: { name: string; message: string; code: string | null };
}

interface IBroadcast {
  browsingContextId?: string;
  requestId?: string;
  request?: unknown;
}

/** The page's side: answers the questions that name `context` until it is disposed. */
export class QuestionChannel {
  constructor(
    readonly context: string,
    private readonly _answer: (request: unknown) => Promise<Answer>,
    private readonly _encode: (bytes: Uint8Array) => string
  ) {
    this._channel.addEventListener('message', this._onMessage);
  }

  dispose(): void {
    this._channel.removeEventListener('message', this._onMessage);
    this._channel.close();
  }

  private readonly _onMessage = (event: MessageEvent<IBroadcast>): void => {
    const { browsingContextId, request } = event.data ?? {};
    if (browsingContextId === this.context && request !== undefined) {
      void this._reply(event.data);
    }
  };

  private async _reply({ browsingContextId, requestId, request }: IBroadcast): Promise<void> {
    let response: IQuestionAnswer;
    try {
      const answer = await this._answer(request);
      response = answer instanceof Uint8Array ? { bytes: this._encode(answer) } : { value: answer };
    } catch (reason) {
      const { name, message, code } = reason as Error & { code?: string };
      response = { error: { name, message: message ?? String(reason), code: code ?? null } };
    }
    this._channel.postMessage({ browsingContextId, requestId, response });
  }

  private readonly _channel = new BroadcastChannel(CHANNEL);
}

/** How long a page waits for its service worker, in milliseconds. */
const READY_MS = 10_000;

/** Resolves to whether a service worker controls this page's site. */
export async function serviceWorkerReady(): Promise<boolean> {
  if (!('serviceWorker' in navigator)) {
    return false;
  }
  const late = new Promise<null>(resolve => setTimeout(resolve, READY_MS, null));
  return (await Promise.race([navigator.serviceWorker.ready, late])) !== null;
}
