/**
 * The errors a caller sees. Python reads `name`, so the names are part of the protocol.
 *
 * - `PcwNetworkError`     the server could not be reached, answered with a redirect, or the stream was cut
 * - `PcwTimeout`          the given time ran out
 * - `PcwProtocolError`    the parts of the bridge do not fit together, or were used wrongly
 * - `PcwNotIsolated`      the page is not cross-origin isolated: there is no shared memory
 * - `PcwBridgeMissing`    nothing in the page answered
 * - `PcwStreamEvicted`    an idle stream was dropped to free its connection; reattach to go on
 */

/** @typedef {"PcwNetworkError" | "PcwTimeout" | "PcwProtocolError" | "PcwNotIsolated" | "PcwBridgeMissing" | "PcwStreamEvicted"} ErrorName */

export class PcwError extends Error {
  /**
   * @param {ErrorName} name
   * @param {string} message what happened, why, and the next step
   */
  constructor(name, message) {
    super(message);
    this.name = name;
  }
}

const NAMES = new Set([
  "PcwNetworkError",
  "PcwTimeout",
  "PcwProtocolError",
  "PcwNotIsolated",
  "PcwBridgeMissing",
  "PcwStreamEvicted",
]);

/**
 * @param {PcwError} error
 * @param {number} limit bytes the encoding may take
 * @returns {Uint8Array} UTF-8 JSON
 */
export function encodeError(error, limit) {
  const encoder = new TextEncoder();
  let message = error.message;
  for (;;) {
    const bytes = encoder.encode(JSON.stringify({ name: error.name, message }));
    if (bytes.length <= limit) {
      return bytes;
    }
    message = message.slice(0, message.length >> 1);
  }
}

/**
 * @param {string} text JSON written by `encodeError`
 * @returns {PcwError}
 */
export function decodeError(text) {
  const { name, message } = JSON.parse(text);
  return new PcwError(NAMES.has(name) ? name : "PcwProtocolError", String(message));
}
