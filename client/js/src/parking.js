/**
 * Streams whose reader has stopped reading, each holding one of the browser's connections.
 *
 * Over HTTP/1.1 a browser opens six connections to an origin, for all its tabs together. A stream that nobody
 * reads keeps its connection (that is what back-pressure means), so a few of them would block every other call.
 * At most `maxParked` may park, in all kernels of all tabs; one more evicts the one that parked first. Its call
 * fails with `PcwStreamEvicted`, and the caller reattaches when it wants to read on.
 *
 * Who is parked is known through the Web Locks API: a parked stream holds a lock whose name begins with the time
 * it parked, and it is evicted by stealing that lock. Locks are shared by the tabs of an origin, as connections
 * are, and the browser frees them with the worker that held them.
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

/** A stream counts as parked after this many milliseconds; a reader that is merely slower never does. */
const SETTLE_MS = 200;

const LOCK_PREFIX = "pyspark_connect_web.parked.";

/**
 * @param {string} userAgent
 * @returns {Readonly<ParkingPolicy>}
 */
export function policyFor(userAgent) {
  return /\bGecko\/\d/.test(userAgent) ? READ_AHEAD_POLICY : BACK_PRESSURE_POLICY;
}

/** @typedef {{evict: () => void}} Evictable */

/**
 * @typedef {object} Place of a parked stream
 * @property {ReturnType<typeof setTimeout>[]} timers
 * @property {() => void} leave gives the lock back
 */

export class ParkingLot {
  /**
   * @param {Readonly<ParkingPolicy>} policy
   * @param {Pick<LockManager, "request" | "query">} [locks]
   */
  constructor(policy, locks = navigator.locks) {
    this.policy = policy;
    this.locks = locks;
    /** @type {Map<Evictable, Place>} */
    this.places = new Map();
  }

  /** @param {Evictable} stream */
  enter(stream) {
    const parkedAt = Date.now();
    const timers = [setTimeout(() => this.#settle(stream, parkedAt), SETTLE_MS)];
    if (this.policy.graceMs !== null) {
      timers.push(setTimeout(() => this.#evict(stream), this.policy.graceMs));
    }
    this.places.set(stream, { timers, leave: () => {} });
  }

  /** @param {Evictable} stream */
  leave(stream) {
    const place = this.places.get(stream);
    place?.timers.forEach(clearTimeout);
    place?.leave();
    this.places.delete(stream);
  }

  /**
   * @param {Evictable} stream
   * @param {number} parkedAt
   */
  #settle(stream, parkedAt) {
    const place = this.places.get(stream);
    if (place === undefined) {
      return;
    }
    /** @type {Promise<void>} */
    const left = new Promise((resolve) => {
      place.leave = resolve;
    });
    const name = `${LOCK_PREFIX}${String(parkedAt).padStart(16, "0")}.${crypto.randomUUID()}`;
    this.locks
      .request(name, async () => {
        await this.#evictSurplus();
        await left;
      })
      // Rejected when the lock was stolen: others need the connection.
      .catch(() => {
        if (this.places.get(stream) === place) {
          this.#evict(stream);
        }
      });
  }

  async #evictSurplus() {
    const { held = [] } = await this.locks.query();
    const names = held.map(({ name }) => name ?? "").filter((name) => name.startsWith(LOCK_PREFIX));
    for (const name of names.sort().slice(0, Math.max(0, names.length - this.policy.maxParked))) {
      await this.locks.request(name, { steal: true }, () => {});
    }
  }

  /** @param {Evictable} stream */
  #evict(stream) {
    this.leave(stream);
    stream.evict();
  }
}
