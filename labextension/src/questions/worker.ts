import { fromBase64, toBase64 } from '../drive/base64';
import type { DriveRequest } from '../drive/tokens';

import type { IQuestionAnswer, IQuestionRoute } from './tokens';

/** The page refused; `code` is an errno name where it has one. */
export type Refusal = (name: string, message: string, code: string | null) => Error;

/**
 * Ask the page through JupyterLite's service worker and block until it has answered. Only in a worker.
 *
 * @param refusal makes the error that a refusal is reported with
 */
export function askThroughServiceWorker(route: IQuestionRoute, request: DriveRequest, refusal: Refusal): unknown {
  const sent = request.method === 'write' ? { ...request, data: toBase64(request.data) } : request;
  const http = new XMLHttpRequest();
  http.open('POST', route.url, false);
  try {
    http.send(JSON.stringify({ browsingContextId: route.context, request: sent }));
  } catch (reason) {
    throw refusal('NetworkError', `The service worker did not answer: ${String(reason)}`, 'EIO');
  }
  if (http.status !== 200) {
    throw refusal('NetworkError', `No service worker answers for the page's files (status ${http.status})`, 'EIO');
  }
  const { value, bytes, error } = JSON.parse(http.responseText) as IQuestionAnswer;
  if (error) {
    throw refusal(error.name, error.message, error.code);
  }
  return bytes === undefined ? value : fromBase64(bytes);
}
