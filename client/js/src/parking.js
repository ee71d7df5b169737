/**
 * Streams whose reader has stopped reading, each holding one of the browser's connections.
 *
 * Over HTTP/1.1 a browser opens six connections to an origin. A stream that nobody reads keeps its connection
 * (that is what back-pressure means), so a few of them would block every other call. At most `maxParked` may
 * park; one more evicts the one that parked first. Its call fails with `PcwStreamEvicted`, and the caller
 * reattaches when it wants to read on.
 *
 * Where the browser itself has no back-pressure (Firefox reads on into memory), `graceMs` evicts every stream
 * that has been parked for so long, which bounds what is read ahead.
 */

/**
 * @typedef {object} ParkingPolicy
 * @property {number} maxParked streams that may be parked at once
 * @property {number | null} graceMs milliseconds a stream may be parked; null: as long as it likes
 */

/** @type {Readonly<ParkingPolicy>} Leaves two of six connections to everything else. */
export const BACK_PRESSURE_POLICY = Object.freeze({ maxParked: 4, graceMs: null });

/** @type {Readonly<ParkingPolicy>} For browsers that read ahead without a bound. */
export const READ_AHEAD_POLICY = Object.freeze({ maxParked: 4, graceMs: 2000 });

/**
 * @param {string} userAgent
 * @returns {Readonly<ParkingPolicy>}
 */
export function policyFor(userAgent) {
  return /\bGecko\/\d/.test(userAgent) ? READ_AHEAD_POLICY : BACK_PRESSURE_POLICY;
}

/** @typedef {{evict: () => void}} Evictable */

export class ParkingLot {
  /** @param {Readonly<ParkingPolicy>} policy */
  constructor(policy) {
    this.policy = policy;
    /** @type {Map<Evictable, ReturnType<typeof setTimeout> | null>} in the order of parking */
    this.parked = new Map();
  }

  /** @param {Evictable} stream */
  enter(stream) {
    const { maxParked, graceMs } = this.policy;
    this.parked.set(stream, graceMs === null ? null : setTimeout(() => this.#evict(stream), graceMs));
    if (this.parked.size > maxParked) {
      const [first] = this.parked.keys();
      if (first !== undefined) {
        this.#evict(first);
      }
    }
  }

  /** @param {Evictable} stream */
  leave(stream) {
    const timer = this.parked.get(stream);
    if (timer) {
      clearTimeout(timer);
    }
    this.parked.delete(stream);
  }

  /** @param {Evictable} stream */
  #evict(stream) {
    this.leave(stream);
    stream.evict();
  }
}
