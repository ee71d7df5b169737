import type { IPageActivity } from './tokens';

/** Milliseconds between two notes to the server: whoever shuts idle servers down counts in minutes. */
const INTERVAL_MS = 30_000;

/**
 * Tells the server while a kernel of this page works, which the server cannot see.
 *
 * At once when work begins, then every half minute; never twice within that time, however many cells are run, and
 * nothing once the work has ended.
 */
export class Work implements IPageActivity {
  /** @param _tell Tells the server; must not fail. */
  constructor(private readonly _tell: () => void) {}

  get isRunning(): boolean {
    return this._running > 0;
  }

  began(): void {
    this._running++;
    // A timer that runs tells at its end whatever began in the meantime and still goes on.
    if (this._timer === null && this.isRunning) {
      this._note();
    }
  }

  ended(): void {
    this._running--;
  }

  private _note(): void {
    this._tell();
    this._timer = setTimeout(() => {
      this._timer = null;
      if (this.isRunning) {
        this._note();
      }
    }, INTERVAL_MS);
  }

  private _running = 0;
  private _timer: ReturnType<typeof setTimeout> | null = null;
}

/** For pages whose server is nobody's to keep: a site on a host of its own. */
export const NO_ACTIVITY: IPageActivity = { began: () => undefined, ended: () => undefined };
