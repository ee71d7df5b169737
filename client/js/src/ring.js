/**
 * A byte ring for one producer and one consumer in shared memory.
 *
 * Two counters run modulo 2**32: bytes written and bytes consumed. Their difference is what is in the ring, so
 * full and empty need no spare slot. The capacity is a power of two, which makes the position a mask. Counters
 * are stored after the bytes they announce (sequentially consistent, ECMA-262 section 29), so neither side ever
 * sees bytes that are not there.
 */
import { CallWord } from "./protocol.js";

/** @param {number} bytes */
export function checkCapacity(bytes) {
  if (!Number.isInteger(bytes) || bytes < 16 || bytes > 2 ** 30 || (bytes & (bytes - 1)) !== 0) {
    throw new RangeError(`a ring holds a power of two of bytes between 16 and 2**30, not ${bytes}`);
  }
}

export class RingWriter {
  /**
   * @param {Int32Array} control a call's control words
   * @param {SharedArrayBuffer} ring
   */
  constructor(control, ring) {
    checkCapacity(ring.byteLength);
    this.control = control;
    this.bytes = new Uint8Array(ring);
    this.capacity = ring.byteLength;
  }

  /** Bytes that can be written now. */
  free() {
    const consumed = Atomics.load(this.control, CallWord.CONSUMED);
    return this.capacity - ((Atomics.load(this.control, CallWord.WRITTEN) - consumed) >>> 0);
  }

  /**
   * Write as much as fits.
   *
   * @param {Uint8Array} source
   * @param {number} offset first byte of `source` to write
   * @returns {number} bytes written
   */
  write(source, offset) {
    const count = Math.min(this.free(), source.length - offset);
    if (count === 0) {
      return 0;
    }
    const written = Atomics.load(this.control, CallWord.WRITTEN);
    const position = (written >>> 0) & (this.capacity - 1);
    const first = Math.min(count, this.capacity - position);
    this.bytes.set(source.subarray(offset, offset + first), position);
    if (first < count) {
      this.bytes.set(source.subarray(offset + first, offset + count), 0);
    }
    Atomics.store(this.control, CallWord.WRITTEN, (written + count) | 0);
    return count;
  }

  /**
   * Announce that the writer waits. The caller must not sleep when this returns false: the reader has moved
   * since, and may not have seen the announcement.
   */
  announceWait() {
    const before = Atomics.load(this.control, CallWord.CONSUMED);
    Atomics.store(this.control, CallWord.WRITER_WAITS, 1);
    if (this.free() === 0 && Atomics.load(this.control, CallWord.CONSUMED) === before) {
      return true;
    }
    Atomics.store(this.control, CallWord.WRITER_WAITS, 0);
    return false;
  }
}

export class RingReader {
  /**
   * @param {Int32Array} control a call's control words
   * @param {SharedArrayBuffer} ring
   */
  constructor(control, ring) {
    checkCapacity(ring.byteLength);
    this.control = control;
    this.bytes = new Uint8Array(ring);
    this.capacity = ring.byteLength;
  }

  /** Bytes that can be read now. */
  available() {
    const written = Atomics.load(this.control, CallWord.WRITTEN);
    return (written - Atomics.load(this.control, CallWord.CONSUMED)) >>> 0;
  }

  /**
   * @param {number} max
   * @returns {Uint8Array} the next bytes that lie together, a view of the ring; empty when there are none
   */
  peek(max) {
    const position = (Atomics.load(this.control, CallWord.CONSUMED) >>> 0) & (this.capacity - 1);
    const count = Math.min(this.available(), max, this.capacity - position);
    return this.bytes.subarray(position, position + count);
  }

  /**
   * Give bytes back to the writer.
   *
   * @param {number} count
   * @returns {boolean} true when the writer waits and a quarter of the ring is free: it must get a `CREDIT`
   */
  consume(count) {
    if (count > this.available()) {
      throw new RangeError(`cannot consume ${count} bytes, the ring holds ${this.available()}`);
    }
    const consumed = Atomics.load(this.control, CallWord.CONSUMED);
    Atomics.store(this.control, CallWord.CONSUMED, (consumed + count) | 0);
    if (
      Atomics.load(this.control, CallWord.WRITER_WAITS) === 1 &&
      this.capacity - this.available() >= this.capacity / 4
    ) {
      Atomics.store(this.control, CallWord.WRITER_WAITS, 0);
      return true;
    }
    return false;
  }
}
