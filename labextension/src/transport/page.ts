import type { Answer } from './answers';
import { ANSWER_HEADER, AnswerKind, AnswerState, AnswerWord } from './answers';

import type { IKernelEvent, IProgress, Method, PageFrame, Topic, WorkerFrame } from './protocol';
import { VERSION, unwrap, wrap } from './protocol';

/** The worker said no, or is gone; `name` is the name of what it raised. */
export class WorkerError extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

export interface IWorkerEvents {
  /** Output, results, comm messages. */
  message(event: IKernelEvent): void;
  log(level: string, data: string): void;
  progress(progress: IProgress): void;
  /** Answer a question for which Python waits. */
  ask(topic: Topic, request: unknown): Promise<Answer>;
}

/**
 * The page's end of the wire to a kernel worker.
 *
 * Every call is settled: by its answer, by the worker's failure, or by `dispose`.
 */
export class WorkerTransport {
  constructor(
    private readonly _worker: Worker,
    private readonly _events: IWorkerEvents
  ) {
    _worker.addEventListener('message', this._onMessage);
    _worker.addEventListener('error', this._onError);
    _worker.addEventListener('messageerror', this._onMessageError);
  }

  /** Call a method of the worker. */
  call<T>(method: Method, ...args: unknown[]): Promise<T> {
    if (this._closed) {
      return Promise.reject(this._closed);
    }
    const id = ++this._lastId;
    const result = new Promise<T>((resolve, reject) => {
      this._pending.set(id, { resolve, reject });
    });
    this._post({ op: 'call', id, method, args });
    return result;
  }

  /** Wake a cell that awaits something; one that computes sees the interrupt buffer. */
  interrupt(): void {
    if (!this._closed) {
      this._post({ op: 'interrupt' });
    }
  }

  /** Reject what is pending and everything that is called later. The worker is the owner's to terminate. */
  dispose(reason: WorkerError): void {
    if (this._closed) {
      return;
    }
    this._closed = reason;
    this._worker.removeEventListener('message', this._onMessage);
    this._worker.removeEventListener('error', this._onError);
    this._worker.removeEventListener('messageerror', this._onMessageError);
    const pending = [...this._pending.values()];
    this._pending.clear();
    this._long.clear();
    pending.forEach(call => call.reject(reason));
  }

  private readonly _onMessage = (event: MessageEvent): void => {
    const frame = unwrap<WorkerFrame>(event.data);
    if (!frame) {
      return;
    }
    event.stopImmediatePropagation();
    if (frame.v !== VERSION) {
      this.dispose(
        new WorkerError(
          'ProtocolMismatch',
          `The kernel worker speaks protocol ${frame.v}, the page ${VERSION}: one of them is cached from another ` +
            'version. Reload the page without cache (Ctrl+Shift+R).'
        )
      );
      return;
    }
    switch (frame.op) {
      case 'result':
        this._take(frame.id)?.resolve(frame.value);
        break;
      case 'failed':
        this._take(frame.id)?.reject(new WorkerError(frame.error.name, frame.error.message));
        break;
      case 'fatal':
        this.dispose(
          new WorkerError(
            'KernelCrashed',
            `Python has crashed in this tab (${frame.error.name}: ${frame.error.message}). Restart the kernel to go on; ` +
              'what it had in memory is lost.'
          )
        );
        break;
      case 'message':
        this._events.message(frame.message);
        break;
      case 'log':
        this._events.log(frame.level, frame.data);
        break;
      case 'progress':
        this._events.progress(frame.progress);
        break;
      case 'ask':
        void this._answer(frame.question, frame.topic, frame.request, frame.buffer);
        break;
      case 'more':
        this._giveLong(frame.question, frame.buffer);
        break;
    }
  };

  private readonly _onError = (event: ErrorEvent): void => {
    const message = event.message || 'its script could not be loaded; the browser console has the details';
    if (this._started) {
      // An uncaught error of a callback in the worker; calls in flight are still answered.
      this._events.log('error', `Uncaught in the kernel worker: ${message}`);
      return;
    }
    this.dispose(
      new WorkerError(
        'KernelWorkerError',
        `The kernel worker could not start: ${message}. Reload the page and try again.`
      )
    );
  };

  private readonly _onMessageError = (): void => {
    this._events.log('error', 'A message of the kernel worker could not be read');
  };

  private async _answer(question: number, topic: Topic, request: unknown, buffer: SharedArrayBuffer): Promise<void> {
    let kind = AnswerKind.Json;
    let payload: Uint8Array;
    try {
      const answer = await this._events.ask(topic, request);
      if (answer instanceof Uint8Array) {
        kind = AnswerKind.Bytes;
        payload = answer;
      } else {
        payload = new TextEncoder().encode(JSON.stringify(answer));
      }
    } catch (reason) {
      kind = AnswerKind.Error;
      const { name, message, code } = reason as Error & { code?: string };
      payload = new TextEncoder().encode(JSON.stringify({ name, message: message ?? String(reason), code }));
    }
    if (payload.length > buffer.byteLength - ANSWER_HEADER) {
      this._long.set(question, payload);
      settle(buffer, kind, payload.length, AnswerState.TooLong);
    } else {
      fill(buffer, kind, payload);
    }
  }

  private _giveLong(question: number, buffer: SharedArrayBuffer): void {
    const payload = this._long.get(question);
    this._long.delete(question);
    if (payload) {
      fill(buffer, AnswerKind.Bytes, payload);
    }
  }

  private _take(id: number): IPending | undefined {
    this._started = true;
    const pending = this._pending.get(id);
    this._pending.delete(id);
    return pending;
  }

  private _post(frame: PageFrame): void {
    this._worker.postMessage(wrap(frame));
  }

  private _closed: WorkerError | null = null;
  private _started = false;
  private _lastId = 0;
  private readonly _pending = new Map<number, IPending>();
  /** Answers that wait for a buffer that is long enough. */
  private readonly _long = new Map<number, Uint8Array>();
}

interface IPending {
  resolve(value: unknown): void;
  reject(reason: Error): void;
}

function fill(buffer: SharedArrayBuffer, kind: AnswerKind, payload: Uint8Array): void {
  new Uint8Array(buffer, ANSWER_HEADER).set(payload);
  settle(buffer, kind, payload.length, AnswerState.Given);
}

function settle(buffer: SharedArrayBuffer, kind: AnswerKind, length: number, state: AnswerState): void {
  const words = new Int32Array(buffer, 0, ANSWER_HEADER / 4);
  Atomics.store(words, AnswerWord.Kind, kind);
  Atomics.store(words, AnswerWord.Length, length);
  Atomics.store(words, AnswerWord.State, state);
  Atomics.notify(words, AnswerWord.State);
}
