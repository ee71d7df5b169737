import type { KernelMessage } from '@jupyterlab/services';

type Content = KernelMessage.IStreamMsg['content'];
type Parent = KernelMessage.IHeader | undefined;

/**
 * How much text may be on its way to the notebook before Python waits, in characters; a message counts as some more. The
 * notebook draws all text of a cell anew whenever some is added.
 */
export const ON_THE_WAY = 1 << 20;

/** What a message costs besides its characters. */
export const MESSAGE_COST = 1024;

/** How long the page is left alone after it has drawn, in times that the drawing took, and at most in milliseconds. */
const REST = 4;
const LONGEST_REST_MS = 10_000;

/** What Python prints, on its way into the notebook: text that comes while the page draws is added in one piece. */
export class StreamOutput {
  /**
   * @param emit hands text to the notebook
   * @param taken one word, which counts up by what was handed on; null where Python cannot wait for it
   */
  constructor(
    private readonly _emit: (content: Content, parent: Parent) => void,
    taken: SharedArrayBuffer | null
  ) {
    this._taken = taken && new Int32Array(taken);
    document.addEventListener('visibilitychange', this._onVisibility);
  }

  dispose(): void {
    document.removeEventListener('visibilitychange', this._onVisibility);
  }

  add(content: Content, parent: Parent): void {
    const last = this._waiting.at(-1);
    if (last && last.content.name === content.name && last.parent?.msg_id === parent?.msg_id) {
      last.content = { name: content.name, text: last.content.text + content.text };
    } else {
      this._waiting.push({ content, parent });
    }
    this._cost += costOf(content.text);
    // A page that is not seen draws nothing, and its timers may stand still.
    if (!this._resting || document.hidden) {
      this.flush();
    }
  }

  /** Hand on what there is: something else comes behind it. */
  flush(): void {
    if (this._waiting.length === 0) {
      return;
    }
    const begun = performance.now();
    for (const { content, parent } of this._waiting.splice(0)) {
      this._emit(content, parent);
    }
    if (this._taken) {
      Atomics.add(this._taken, 0, this._cost);
      Atomics.notify(this._taken, 0);
    }
    this._cost = 0;
    if (!this._resting && !document.hidden) {
      this._resting = true;
      // Before the page is drawn; the timer runs after that.
      requestAnimationFrame(() => setTimeout(() => this._rest(performance.now() - begun), 0));
    }
  }

  /** A page that is hidden while it draws may not come to its end, and Python may be waiting for that. */
  private readonly _onVisibility = (): void => {
    if (document.hidden) {
      this.flush();
    }
  };

  private _rest(drawing: number): void {
    setTimeout(
      () => {
        this._resting = false;
        this.flush();
      },
      Math.min(drawing * REST, LONGEST_REST_MS)
    );
  }

  private readonly _taken: Int32Array | null;
  private readonly _waiting: { content: Content; parent: Parent }[] = [];
  private _cost = 0;
  private _resting = false;
}

/** What a text counts on its way. */
export function costOf(text: string): number {
  return text.length + MESSAGE_COST;
}
