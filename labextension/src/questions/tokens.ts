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
