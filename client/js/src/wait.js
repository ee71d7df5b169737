/**
 * How a worker that runs synchronous Python waits: in slices, so that Python can look for an interrupt between them.
 */

/** One slice, in milliseconds: the longest an interrupt goes unseen. */
export const SLICE_MS = 50;

/**
 * Wait on a word of shared memory, at most one slice.
 *
 * @param {Int32Array} words
 * @param {number} index
 * @param {number} value the word's value while there is nothing to see
 * @param {number} milliseconds that are left; Infinity for no limit
 * @param {() => void} [checkInterrupt] called afterwards; what it throws ends the wait
 */
export function waitSlice(words, index, value, milliseconds, checkInterrupt) {
  Atomics.wait(words, index, value, Math.min(milliseconds, SLICE_MS));
  checkInterrupt?.();
}
