import { fromBase64 } from '../drive/base64';
import type { DriveRequest } from '../drive/tokens';

import type { Answer } from '../transport/answers';

import type { IQuestionAnswer } from './tokens';
import { CHANNEL } from './tokens';

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

/** A request as it came through the service worker, with its bytes. */
export function receivedRequest(request: unknown): DriveRequest {
  const received = request as DriveRequest | (Omit<DriveRequest & { method: 'write' }, 'data'> & { data: string });
  return 'data' in received && typeof received.data === 'string'
    ? { ...received, data: fromBase64(received.data) }
    : (received as DriveRequest);
}
