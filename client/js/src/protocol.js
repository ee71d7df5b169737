/**
 * The protocol between page, kernel worker and network worker: every constant, written once.
 *
 * Three parties speak it. The kernel worker posts a `HELLO` with a doorbell (SharedArrayBuffer) and one end of a
 * MessagePort; the page passes both to the network worker (`JOIN`). From then on the kernel posts `OPEN`,
 * `CREDIT` and `CANCEL` on that port, and everything that comes back comes through shared memory, because a
 * blocked kernel cannot receive messages.
 */

/** The one key of every message, so that foreign frames on the same worker are told apart. */
export const ENVELOPE_KEY = "__pcw__";

/** Raised whenever a message, a control word or a state changes its meaning. */
export const PROTOCOL_VERSION = 2;

/** Operations. The comment names the direction. */
export const Op = Object.freeze({
  /** kernel -> page: `{bell, port}` */
  HELLO: "hello",
  /** network worker -> page: it runs */
  STARTED: "started",
  /** page -> network worker: `{bell, port, pageUrl, credentials, parking}` */
  JOIN: "join",
  /** kernel -> network worker: `{id, control, ring, url, headers, parts}` */
  OPEN: "open",
  /** kernel -> network worker: `{id}`: a quarter of the ring is free again */
  CREDIT: "credit",
  /** kernel -> network worker: `{id}` */
  CANCEL: "cancel",
  /** network worker -> page: `{request}` */
  CREDENTIALS_WANTED: "credentials-wanted",
  /** page -> network worker: `{request, credentials}` */
  CREDENTIALS: "credentials",
});

/**
 * Words of the doorbell, an Int32Array. Their positions hold for every protocol version: they are how a version
 * mismatch is told.
 */
export const BellWord = Object.freeze({
  /** counts up with every event a blocked kernel may wait for */
  SEQUENCE: 0,
  /** a `BridgeState` */
  STATE: 1,
  /** the protocol version of the page's bridge, 0 before it was seen */
  PAGE_VERSION: 2,
  /** the protocol version of the network worker, 0 before it was seen */
  WORKER_VERSION: 3,
});
export const BELL_BYTES = 64;

/** How far the handshake of one kernel came. */
export const BridgeState = Object.freeze({
  /** no page bridge has answered */
  WAITING: 0,
  /** the page bridge has passed the hello on */
  SEEN: 1,
  /** the network worker answers */
  READY: 2,
  VERSION_MISMATCH: 3,
  /** the network worker could not be started, or died */
  FAILED: 4,
});

/** Words of a call's control block; bytes from `CONTROL_TEXT_OFFSET` hold the error as UTF-8 JSON. */
export const CallWord = Object.freeze({
  /** a `CallState` */
  STATE: 0,
  /** bytes written into the ring since the call began, modulo 2**32; owned by the network worker */
  WRITTEN: 1,
  /** bytes consumed since the call began, modulo 2**32; owned by the kernel */
  CONSUMED: 2,
  /** 1 while the network worker waits for a `CREDIT` */
  WRITER_WAITS: 3,
  /** how many of the first bytes in the ring are the response head (UTF-8 JSON) */
  HEAD_LENGTH: 4,
  /** length of the error text */
  ERROR_LENGTH: 5,
});
/**
 * Parts of a body from this size on are Blobs, and so is a body: Chromium sends a large Blob about ten times faster than a
 * large buffer and keeps it once, in the browser's process; making a small one is a detour through that process.
 */
export const BLOB_FROM_BYTES = 256 * 1024;

export const CONTROL_BYTES = 4096;
export const CONTROL_TEXT_OFFSET = 64;

/** States of a call. The network worker alone moves it. */
export const CallState = Object.freeze({
  /** posted; no response yet */
  OPEN: 0,
  /** the head is in the ring, body bytes follow */
  STREAMING: 1,
  /** the whole body is in the ring */
  ENDED: 2,
  /** see the error text; what was received before is still in the ring */
  FAILED: 3,
  /** the kernel cancelled it */
  CANCELLED: 4,
});

/** @type {Readonly<Record<number, readonly number[]>>} From state to the states that may follow. */
export const CALL_TRANSITIONS = Object.freeze({
  [CallState.OPEN]: [CallState.STREAMING, CallState.FAILED, CallState.CANCELLED],
  [CallState.STREAMING]: [CallState.ENDED, CallState.FAILED, CallState.CANCELLED],
  [CallState.ENDED]: [],
  [CallState.FAILED]: [],
  [CallState.CANCELLED]: [],
});

/** @type {Readonly<Record<number, readonly number[]>>} */
export const BRIDGE_TRANSITIONS = Object.freeze({
  [BridgeState.WAITING]: [BridgeState.SEEN, BridgeState.VERSION_MISMATCH, BridgeState.FAILED],
  [BridgeState.SEEN]: [BridgeState.READY, BridgeState.VERSION_MISMATCH, BridgeState.FAILED],
  [BridgeState.READY]: [BridgeState.FAILED],
  [BridgeState.VERSION_MISMATCH]: [],
  [BridgeState.FAILED]: [],
});

/**
 * Move a state word along its table.
 *
 * @param {Int32Array} words
 * @param {number} index of the state word
 * @param {Readonly<Record<number, readonly number[]>>} table
 * @param {number} next
 * @throws {Error} when the table has no such step: a fault of this code, not of the peer
 */
export function moveState(words, index, table, next) {
  const now = Atomics.load(words, index);
  if (!table[now]?.includes(next)) {
    throw new Error(`no step from state ${now} to state ${next}`);
  }
  Atomics.store(words, index, next);
}

/** @param {number} state a `CallState` */
export function isFinal(state) {
  return state >= CallState.ENDED;
}

/**
 * @typedef {object} Credentials what the page adds to requests below `scope`
 * @property {string} scope absolute URL prefix that ends with "/"
 * @property {Record<string, string>} headers
 */

/**
 * @typedef {object} Frame a message between the parties; which fields it has depends on `op`
 * @property {number} version
 * @property {string} op
 * @property {number} [id]
 * @property {SharedArrayBuffer} [bell]
 * @property {MessagePort} [port]
 * @property {SharedArrayBuffer} [control]
 * @property {SharedArrayBuffer} [ring]
 * @property {string} [url]
 * @property {[string, string][]} [headers]
 * @property {(ArrayBuffer | Blob)[]} [parts]
 * @property {string} [pageUrl]
 * @property {Credentials | null} [credentials]
 * @property {number} [request]
 * @property {import("./parking.js").ParkingPolicy} [parking]
 */

/**
 * @param {string} op
 * @param {Omit<Frame, "version" | "op">} [fields]
 * @returns {{[ENVELOPE_KEY]: Frame}}
 */
export function envelope(op, fields = {}) {
  return { [ENVELOPE_KEY]: { version: PROTOCOL_VERSION, op, ...fields } };
}

/**
 * @param {unknown} data the `data` of a message event
 * @returns {Frame | null} null when the message is not ours
 */
export function openEnvelope(data) {
  if (typeof data !== "object" || data === null) {
    return null;
  }
  const frame = /** @type {Record<string, unknown>} */ (data)[ENVELOPE_KEY];
  if (typeof frame !== "object" || frame === null || typeof (/** @type {Frame} */ (frame).op) !== "string") {
    return null;
  }
  return /** @type {Frame} */ (frame);
}
