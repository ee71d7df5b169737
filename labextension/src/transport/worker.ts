import { waitSlice } from '@pyspark-connect-web/bridge/wait.js';

import type { Answer } from './answers';
import { ANSWER_HEADER, AnswerError, AnswerKind, AnswerState, AnswerWord } from './answers';

import type { IBootChoices, IErrorFrame, Method, PageFrame, Topic, WorkerFrame } from './protocol';
import { VERSION, unwrap, wrap } from './protocol';

/** Bytes of the buffer in which most answers fit. */
const ANSWER_BYTES = 256 * 1024;

/** Longer buffers up to this size are kept for the next long answer: parts of a file come one after another. */
const KEPT_BYTES = 4 * 1024 * 1024;

/** The worker's end of the wire to the page. */
export class PageWire {
  /**
   * @param handler runs what the page calls
   * @param prepare start Python ahead of the first call
   * @param interrupted the page wants the running cell to end, and the event loop had time to hear it
   */
  constructor(
    handler: (method: Method, args: unknown[]) => Promise<unknown>,
    prepare: (choices: IBootChoices) => void,
    interrupted: () => void
  ) {
    self.addEventListener('message', (event: MessageEvent) => {
      const frame = unwrap<PageFrame>(event.data);
      if (frame?.op === 'interrupt') {
        interrupted();
      }
      if (frame?.op === 'prepare' && frame.v === VERSION) {
        prepare(frame.choices);
      }
      if (frame?.op !== 'call') {
        return;
      }
      event.stopImmediatePropagation();
      if (frame.v !== VERSION) {
        const message = `The page speaks protocol ${frame.v}, the kernel worker ${VERSION}; reload the page without cache.`;
        this.send({ op: 'failed', id: frame.id, error: { name: 'ProtocolMismatch', message } });
        return;
      }
      void this._run(frame.id, () => handler(frame.method, frame.args));
    });
  }

  /** Send a frame; values that cannot be cloned (proxies of Python objects) are sent as JSON has them. */
  send(frame: WorkerFrame): void {
    try {
      self.postMessage(wrap(frame));
    } catch (reason) {
      if (!(reason instanceof DOMException) || reason.name !== 'DataCloneError') {
        throw reason;
      }
      self.postMessage(wrap(JSON.parse(JSON.stringify(frame)) as WorkerFrame));
    }
  }

  /**
   * Ask the page and block until it has answered.
   *
   * @param checkInterrupt called while waiting; what it throws ends the wait
   * @throws AnswerError if the page refuses
   */
  ask(topic: Topic, request: unknown, checkInterrupt?: () => void): Answer {
    const question = ++this._lastQuestion;
    const buffer = this._buffer ?? new SharedArrayBuffer(ANSWER_BYTES);
    // Not reusable while a question is open: one that is interrupted may still be written to.
    this._buffer = null;
    new Int32Array(buffer, 0, ANSWER_HEADER / 4).fill(0);
    this.send({ op: 'ask', question, topic, request, buffer });
    this._wait(buffer, checkInterrupt);
    const words = new Int32Array(buffer, 0, ANSWER_HEADER / 4);
    const kind = words[AnswerWord.Kind] as AnswerKind;
    const length = words[AnswerWord.Length];
    let payload: Uint8Array;
    if ((words[AnswerWord.State] as AnswerState) === AnswerState.TooLong) {
      const longer = this._takeLonger(ANSWER_HEADER + length);
      this.send({ op: 'more', question, buffer: longer });
      this._wait(longer, checkInterrupt);
      payload = new Uint8Array(longer, ANSWER_HEADER, length);
      this._longer = longer.byteLength <= KEPT_BYTES ? longer : null;
    } else {
      payload = new Uint8Array(buffer, ANSWER_HEADER, length);
    }
    // Out of shared memory: decoders refuse it, and the buffer is used again.
    payload = payload.slice();
    this._buffer = buffer;
    if (kind === AnswerKind.Bytes) {
      return payload;
    }
    const value = JSON.parse(new TextDecoder().decode(payload)) as Answer;
    if (kind === AnswerKind.Error) {
      const { name, message, code } = value as Partial<AnswerError>;
      throw new AnswerError(name ?? 'Error', message ?? '', code ?? null);
    }
    return value;
  }

  private _takeLonger(bytes: number): SharedArrayBuffer {
    const kept = this._longer;
    this._longer = null;
    if (kept === null || kept.byteLength < bytes) {
      return new SharedArrayBuffer(bytes);
    }
    new Int32Array(kept, 0, ANSWER_HEADER / 4).fill(0);
    return kept;
  }

  private _wait(buffer: SharedArrayBuffer, checkInterrupt?: () => void): void {
    const words = new Int32Array(buffer, 0, ANSWER_HEADER / 4);
    while ((Atomics.load(words, AnswerWord.State) as AnswerState) === AnswerState.Pending) {
      waitSlice(words, AnswerWord.State, AnswerState.Pending, Infinity, checkInterrupt);
    }
  }

  private async _run(id: number, work: () => Promise<unknown>): Promise<void> {
    let value: unknown;
    try {
      value = await work();
    } catch (reason) {
      this.send({ op: 'failed', id, error: describe(reason) });
      return;
    }
    this.send({ op: 'result', id, value });
  }

  private _lastQuestion = 0;
  private _buffer: SharedArrayBuffer | null = null;
  private _longer: SharedArrayBuffer | null = null;
}

/** The name and text of anything thrown; of a Python exception, its own name and last line. */
export function describe(reason: unknown): IErrorFrame {
  const error = reason instanceof Error ? reason : new Error(String(reason));
  const type = (error as { type?: unknown }).type;
  if (error.name === 'PythonError' && typeof type === 'string') {
    return { name: type, message: error.message.trim() || type };
  }
  return { name: error.name || 'Error', message: error.message || String(reason) };
}
