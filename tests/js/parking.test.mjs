/** Parked streams: a few stay, the one that parked first goes, whichever kernel it belongs to. */
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  BACK_PRESSURE_POLICY,
  ParkingLot,
  READ_AHEAD_POLICY,
  policyFor,
} from "../../client/js/src/parking.js";

/** The part of the Web Locks API that is used; Node.js 20 has none. Every name here is requested once or stolen. */
class Locks {
  held = new Map();

  async request(name, options, callback = options) {
    this.held.get(name)?.(new DOMException("stolen", "AbortError"));
    const stolen = new Promise((_, reject) => this.held.set(name, reject));
    const mine = this.held.get(name);
    try {
      return await Promise.race([callback({ name }), stolen]);
    } finally {
      if (this.held.get(name) === mine) {
        this.held.delete(name);
      }
    }
  }

  async query() {
    return {
      held: [...this.held.keys(), "someone else's"].map((name) => ({ name })),
      pending: [],
    };
  }
}

/** Let every promise that can settle do so. */
async function turn() {
  for (let round = 0; round < 50; round++) {
    await null;
  }
}

function setUp(context, maxParked = 2, graceMs = null) {
  context.mock.timers.enable({
    apis: ["setTimeout", "Date"],
    now: 1_800_000_000_000,
  });
  const locks = new Locks();
  const evicted = [];
  return {
    evicted,
    locks,
    makeLot: () => new ParkingLot({ maxParked, graceMs }, locks),
    stream: (name) => ({ evict: () => evicted.push(name) }),
    wait: async (milliseconds) => {
      context.mock.timers.tick(milliseconds);
      await turn();
    },
  };
}

test("one more than the limit evicts the stream that parked first, in whichever worker", async (context) => {
  const { evicted, locks, makeLot, stream, wait } = setUp(context);
  const [one, other] = [makeLot(), makeLot()];
  for (const [lot, name] of [
    [one, "a"],
    [other, "b"],
    [one, "c"],
    [other, "d"],
  ]) {
    lot.enter(stream(name));
    await wait(10);
  }
  assert.deepEqual(evicted, []);
  await wait(500);
  assert.deepEqual(evicted, ["a", "b"]);
  assert.equal(locks.held.size, 2);
  assert.equal(one.places.size + other.places.size, 2);
});

test("a reader that is merely slower never counts", async (context) => {
  const { evicted, locks, makeLot, stream, wait } = setUp(context, 0);
  const lot = makeLot();
  const slow = stream("slow");
  for (let round = 0; round < 20; round++) {
    lot.enter(slow);
    await wait(150);
    lot.leave(slow);
  }
  assert.deepEqual(evicted, []);
  assert.equal(locks.held.size, 0);
});

test("a stream that is read again gives its place back", async (context) => {
  const { evicted, locks, makeLot, stream, wait } = setUp(context, 1);
  const lot = makeLot();
  const [a, b] = [stream("a"), stream("b")];
  lot.enter(a);
  await wait(300);
  assert.equal(locks.held.size, 1);
  lot.leave(a);
  await wait(0);
  assert.equal(locks.held.size, 0);
  lot.enter(b);
  await wait(300);
  assert.deepEqual(evicted, []);
});

test("a grace time evicts whoever stays longer", async (context) => {
  const { evicted, makeLot, stream, wait } = setUp(context, 4, 1000);
  const lot = makeLot();
  const [a, b] = [stream("a"), stream("b")];
  lot.enter(a);
  lot.enter(b);
  await wait(999);
  lot.leave(b);
  await wait(2);
  assert.deepEqual(evicted, ["a"]);
  assert.equal(lot.places.size, 0);
});

test("browsers that read ahead get a grace time", () => {
  const firefox =
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
  const chromium =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
  assert.equal(policyFor(firefox), READ_AHEAD_POLICY);
  assert.equal(policyFor(chromium), BACK_PRESSURE_POLICY);
});
