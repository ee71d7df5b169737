/** Parked streams: a few stay, the one that parked first goes. */
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  BACK_PRESSURE_POLICY,
  ParkingLot,
  READ_AHEAD_POLICY,
  policyFor,
} from "../../client/js/src/parking.js";

function streams(count, evicted) {
  return Array.from({ length: count }, (_, index) => ({
    evict: () => evicted.push(index),
  }));
}

test("one more than the limit evicts the stream that parked first", () => {
  const evicted = [];
  const lot = new ParkingLot({ maxParked: 2, graceMs: null });
  for (const stream of streams(4, evicted)) {
    lot.enter(stream);
  }
  assert.deepEqual(evicted, [0, 1]);
});

test("a stream that was read again is not the first any more", () => {
  const evicted = [];
  const lot = new ParkingLot({ maxParked: 2, graceMs: null });
  const [a, b, c] = streams(3, evicted);
  lot.enter(a);
  lot.enter(b);
  lot.leave(a);
  lot.enter(a);
  lot.enter(c);
  assert.deepEqual(evicted, [1]);
});

test("a grace time evicts whoever stays longer", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const evicted = [];
  const lot = new ParkingLot({ maxParked: 4, graceMs: 1000 });
  const [a, b] = streams(2, evicted);
  lot.enter(a);
  lot.enter(b);
  context.mock.timers.tick(999);
  lot.leave(b);
  context.mock.timers.tick(2);
  assert.deepEqual(evicted, [0]);
  assert.equal(lot.parked.size, 0);
});

test("browsers that read ahead get a grace time", () => {
  const firefox =
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
  const chromium =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
  assert.equal(policyFor(firefox), READ_AHEAD_POLICY);
  assert.equal(policyFor(chromium), BACK_PRESSURE_POLICY);
});
