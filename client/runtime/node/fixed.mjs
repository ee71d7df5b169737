// Takes chance and time out of a Node.js process, so that equal inputs give an equal snapshot. Import it first.
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

/** What every clock shows. Nothing that runs here waits for it to move. */
const NOW = Date.UTC(2020, 0, 1);

/** @type {number} */
let state = 1;

/** A word of a linear congruential generator (Numerical Recipes): any sequence will do that is always the same. */
function word() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state >>> 8;
}

/**
 * @template {ArrayBufferView} T
 * @param {T} view
 * @returns {T}
 */
function fill(view) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = word();
  }
  return view;
}

crypto.randomFillSync = fill;
syncBuiltinESMExports();
crypto.webcrypto.getRandomValues = fill;
Math.random = () => word() / 2 ** 24;

globalThis.Date = class extends Date {
  /** @param {any[]} parts */
  constructor(...parts) {
    super(...(parts.length ? parts : [NOW]));
  }

  static now() {
    return NOW;
  }
};
performance.now = () => 1000;

// What sys._emscripten_info names as the runtime; otherwise the version of this Node.js.
Object.defineProperty(globalThis, "navigator", { value: { userAgent: "Node.js" }, configurable: true });
