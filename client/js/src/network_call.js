/**
 * One request of a kernel: POST, put the response into the ring, wait while it is full.
 *
 * The only place that calls `fetch`.
 */
import { PcwError, encodeError } from "./errors.js";
import {
  BLOB_FROM_BYTES,
  CALL_TRANSITIONS,
  CONTROL_BYTES,
  CONTROL_TEXT_OFFSET,
  CallState,
  CallWord,
  moveState,
} from "./protocol.js";
import { RingWriter } from "./ring.js";

/** Most bytes of a response taken at once. */
const READ_BYTES = 512 * 1024;

/**
 * @typedef {object} CallContext
 * @property {() => void} ring the doorbell, after every change that a kernel may wait for
 * @property {string} pageUrl what relative URLs are resolved against
 * @property {import("./credentials.js").CredentialStore} credentials
 * @property {import("./parking.js").ParkingLot} lot
 */

export class NetworkCall {
  /**
   * @param {import("./protocol.js").Frame} frame an `OPEN`
   * @param {CallContext} context
   */
  constructor(frame, context) {
    this.control = new Int32Array(
      /** @type {SharedArrayBuffer} */ (frame.control),
      0,
      CONTROL_TEXT_OFFSET / 4,
    );
    this.text = new Uint8Array(/** @type {SharedArrayBuffer} */ (frame.control), CONTROL_TEXT_OFFSET);
    this.writer = new RingWriter(this.control, /** @type {SharedArrayBuffer} */ (frame.ring));
    this.frame = frame;
    this.context = context;
    this.abort = new AbortController();
    this.cancelled = false;
    this.evicted = false;
    /** @type {(() => void) | null} */
    this.wake = null;
  }

  /** Run to a final state; never rejects. */
  async run() {
    try {
      const url = this.#url();
      const response = await this.#fetch(url);
      await this.#writeHead(response);
      await this.#pump(response);
      this.#move(CallState.ENDED);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The reader has made room. */
  credit() {
    this.wake?.();
  }

  /** The kernel wants no more of it. */
  cancel() {
    this.cancelled = true;
    this.#stop();
  }

  /** The connection is needed for others. */
  evict() {
    this.evicted = true;
    this.#stop();
  }

  #stop() {
    this.abort.abort();
    this.wake?.();
  }

  #url() {
    let url;
    try {
      url = new URL(this.frame.url ?? "", this.context.pageUrl);
    } catch {
      throw new PcwError("PcwProtocolError", `Not a URL: ${JSON.stringify(this.frame.url)}.`);
    }
    if (url.protocol !== "http:" && url.protocol !== "https:") {
      throw new PcwError("PcwProtocolError", `Only http and https URLs can be opened, not ${url.protocol}`);
    }
    return url;
  }

  /** @param {URL} url */
  async #fetch(url) {
    const body = this.#body();
    const response = await this.#post(url, body);
    if (response.status !== 401 && response.status !== 403) {
      return response;
    }
    // The page may have a newer login than the one this worker was given.
    if (!(await this.context.credentials.refresh(url))) {
      return response;
    }
    await response.body?.cancel();
    return this.#post(url, body);
  }

  /**
   * @param {URL} url
   * @param {BodyInit} body
   */
  async #post(url, body) {
    const where = url.origin + url.pathname;
    const page = new URL(this.context.pageUrl).origin;
    const sameOrigin = url.origin === page;
    const headers = this.#headers(url);
    /** @type {Response} */
    let response;
    try {
      response = await fetch(url, {
        method: "POST",
        headers,
        body,
        cache: "no-store",
        credentials: sameOrigin ? "same-origin" : "omit",
        // Not followed, as with "error", but told apart from a network failure.
        redirect: "manual",
        signal: this.abort.signal,
      });
    } catch (error) {
      throw this.#named(
        error,
        `POST ${where} got no response. ` +
          (sameOrigin
            ? "The server may be stopped or unreachable. Check that it runs"
            : `Most likely that server does not allow pages of ${page} (CORS), or it is stopped or unreachable: the ` +
              "browser does not tell which. Allow them: on a Jupyter server with the setting " +
              `PcwExtension.allowed_origins=${page}, in Envoy with \`jupyter pcw build --host envoy --allow-origin ` +
              `${page}\``) +
          ", then run the cell again.",
      );
    }
    if (response.type === "opaqueredirect") {
      throw new PcwError(
        "PcwNetworkError",
        `POST ${where} was answered with a redirect, most often to a login page. ` +
          "Sign in again in another tab or reload this page, then run the cell again.",
      );
    }
    return response;
  }

  /** @param {URL} url */
  #headers(url) {
    const headers = new Headers();
    for (const [name, value] of this.frame.headers ?? []) {
      try {
        headers.append(name, value);
      } catch {
        throw new PcwError("PcwProtocolError", `The request header ${JSON.stringify(name)} is not valid.`);
      }
    }
    for (const [name, value] of Object.entries(this.context.credentials.headersFor(url))) {
      if (!headers.has(name)) {
        headers.set(name, value);
      }
    }
    return headers;
  }

  /** @returns {BodyInit} */
  #body() {
    const parts = this.frame.parts ?? [];
    delete this.frame.parts;
    /** @type {ArrayBuffer[]} */
    const small = [];
    let total = 0;
    for (const part of parts) {
      if (part instanceof Blob) {
        return new Blob(parts);
      }
      small.push(part);
      total += part.byteLength;
    }
    if (total >= BLOB_FROM_BYTES) {
      return new Blob(small);
    }
    const joined = new Uint8Array(total);
    let offset = 0;
    for (const part of small) {
      joined.set(new Uint8Array(part), offset);
      offset += part.byteLength;
    }
    return joined;
  }

  /** @param {Response} response */
  async #writeHead(response) {
    const head = new TextEncoder().encode(
      JSON.stringify({ status: response.status, headers: [...response.headers] }),
    );
    Atomics.store(this.control, CallWord.HEAD_LENGTH, head.length);
    this.#move(CallState.STREAMING);
    await this.#write(head);
  }

  /** @param {Response} response */
  async #pump(response) {
    const read = response.body === null ? null : readerOf(response.body);
    while (read) {
      let piece;
      try {
        piece = await read();
      } catch (error) {
        throw this.#named(
          error,
          `The response of ${this.frame.url?.split("?")[0]} was cut before its end. ` +
            "The server or a proxy between closed the connection.",
        );
      }
      if (piece.done) {
        return;
      }
      await this.#write(piece.value);
    }
  }

  /** @param {Uint8Array} bytes */
  async #write(bytes) {
    let offset = 0;
    while (offset < bytes.length) {
      const count = this.writer.write(bytes, offset);
      if (count > 0) {
        offset += count;
        this.context.ring();
      } else if (this.writer.announceWait()) {
        await this.#park();
      }
    }
  }

  async #park() {
    this.context.lot.enter(this);
    await new Promise((resolve) => {
      this.wake = () => resolve(undefined);
      if (this.abort.signal.aborted) {
        resolve(undefined);
      }
    });
    this.wake = null;
    this.context.lot.leave(this);
    this.abort.signal.throwIfAborted();
  }

  /**
   * @param {unknown} error what fetch or the body stream threw
   * @param {string} message
   */
  #named(error, message) {
    return this.abort.signal.aborted ? error : new PcwError("PcwNetworkError", message);
  }

  /** @param {unknown} error */
  #fail(error) {
    if (this.cancelled) {
      this.#move(CallState.CANCELLED);
      return;
    }
    const named = this.evicted
      ? new PcwError(
          "PcwStreamEvicted",
          "The stream was not read for a while and its connection was given to another call. Reattach to read on.",
        )
      : error instanceof PcwError
        ? error
        : new PcwError("PcwProtocolError", `The network worker failed: ${String(error)}`);
    const bytes = encodeError(named, CONTROL_BYTES - CONTROL_TEXT_OFFSET);
    this.text.set(bytes);
    Atomics.store(this.control, CallWord.ERROR_LENGTH, bytes.length);
    this.#move(CallState.FAILED);
  }

  /** @param {number} state */
  #move(state) {
    moveState(this.control, CallWord.STATE, CALL_TRANSITIONS, state);
    this.context.ring();
  }
}

/**
 * Read a body into one buffer again and again. In Chromium a buffer of its own for every piece costs more than
 * the copy out of this one: new pages of memory each time, and the garbage collector's work. Where a body is no
 * byte stream (Streams Standard section 4.2.4), every piece has a buffer of its own.
 *
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @returns {() => Promise<ReadableStreamReadResult<Uint8Array>>} the next piece, valid until the next call
 */
function readerOf(body) {
  let reader;
  try {
    reader = body.getReader({ mode: "byob" });
  } catch {
    const plain = body.getReader();
    return () => plain.read();
  }
  const byob = reader;
  let buffer = new ArrayBuffer(READ_BYTES);
  return async () => {
    const piece = await byob.read(new Uint8Array(buffer));
    if (piece.done) {
      return { done: true, value: undefined };
    }
    buffer = piece.value.buffer;
    return piece;
  };
}
