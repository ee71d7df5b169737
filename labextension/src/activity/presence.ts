/** Milliseconds without a key or the pointer after which nobody is at the page. */
const PRESENT_MS = 60_000;

/** What a person does, as the browser reports it. */
const SIGNS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'paste', 'drop'];

/** Whether somebody is at this page. */
export class Presence {
  constructor(page: Document) {
    for (const sign of SIGNS) {
      page.addEventListener(sign, () => (this._seen = Date.now()), { capture: true, passive: true });
    }
  }

  get isThere(): boolean {
    return Date.now() - this._seen < PRESENT_MS;
  }

  private _seen = Date.now();
}

/**
 * A `Request` whose address tells Jupyter that it is no activity (`no_track_activity`) when `quiet` says so.
 *
 * @param base what JupyterLab makes its requests with
 */
export function quietRequest(base: typeof Request, quiet: () => boolean): typeof Request {
  return class extends base {
    constructor(input: RequestInfo | URL, init?: RequestInit) {
      super(typeof input === 'string' && quiet() ? quietly(input) : input, init);
    }
  };
}

function quietly(url: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}no_track_activity=1`;
}
