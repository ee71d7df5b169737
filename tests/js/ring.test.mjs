/** The ring: every byte once and in order, however it is cut, also where the counters wrap. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";

import { CONTROL_BYTES, CallWord } from "../../client/js/src/protocol.js";
import {
  RingReader,
  RingWriter,
  checkCapacity,
} from "../../client/js/src/ring.js";

function makeRing(capacity, start = 0) {
  const control = new Int32Array(new SharedArrayBuffer(CONTROL_BYTES), 0, 16);
  control[CallWord.WRITTEN] = start;
  control[CallWord.CONSUMED] = start;
  const ring = new SharedArrayBuffer(capacity);
  return {
    control,
    ring,
    writer: new RingWriter(control, ring),
    reader: new RingReader(control, ring),
  };
}

function bytes(count) {
  return Uint8Array.from(
    { length: count },
    (_, index) => (index * 7 + (index >> 8)) & 255,
  );
}

/** Move `data` through a ring, at most `put` and `take` bytes at a time. */
function moveThrough({ writer, reader }, data, put, take) {
  const out = [];
  let offset = 0;
  while (out.length < data.length) {
    offset += writer.write(
      data.subarray(0, Math.min(data.length, offset + put)),
      offset,
    );
    const view = reader.peek(take);
    out.push(...view);
    reader.consume(view.length);
  }
  return Uint8Array.from(out);
}

for (const start of [0, -5, 2 ** 31 - 9]) {
  for (const [put, take] of [
    [1000, 1000],
    [1, 1],
    [7, 3],
    [3, 7],
    [16, 1],
    [1, 16],
  ]) {
    test(`bytes pass a ring from counter ${start}, written by ${put}, read by ${take}`, () => {
      const data = bytes(300);
      assert.deepEqual(
        moveThrough(makeRing(16, start | 0), data, put, take),
        data,
      );
    });
  }
}

test("a full ring takes nothing more and loses nothing", () => {
  const { writer, reader } = makeRing(16);
  const data = bytes(20);
  assert.equal(writer.write(data, 0), 16);
  assert.equal(writer.write(data, 16), 0);
  assert.equal(writer.free(), 0);
  assert.equal(reader.available(), 16);
  assert.deepEqual([...reader.peek(100)], [...data.subarray(0, 16)]);
});

test("a view ends where the ring ends", () => {
  const { writer, reader } = makeRing(16);
  writer.write(bytes(12), 0);
  reader.consume(12);
  writer.write(bytes(10), 0);
  assert.equal(reader.peek(100).length, 4);
  reader.consume(4);
  assert.equal(reader.peek(100).length, 6);
});

test("a reader cannot give back what it did not get", () => {
  const { writer, reader } = makeRing(16);
  writer.write(bytes(3), 0);
  assert.throws(() => reader.consume(4), RangeError);
});

test("credit is due once, when a quarter is free and the writer waits", () => {
  const { writer, reader } = makeRing(16);
  writer.write(bytes(16), 0);
  assert.equal(reader.consume(1), false, "nobody waits");
  writer.write(bytes(1), 0);
  assert.equal(writer.announceWait(), true);
  assert.equal(reader.consume(3), false, "less than a quarter");
  assert.equal(reader.consume(1), true);
  assert.equal(reader.consume(1), false, "told already");
});

test("a writer does not go to sleep when there is room", () => {
  const { control, writer, reader } = makeRing(16);
  writer.write(bytes(16), 0);
  reader.consume(1);
  assert.equal(writer.announceWait(), false);
  assert.equal(control[CallWord.WRITER_WAITS], 0);
});

test("only powers of two are capacities", () => {
  for (const good of [16, 4096, 2 ** 22]) {
    checkCapacity(good);
  }
  for (const bad of [0, 8, 17, 3000, 2 ** 31, NaN, 16.5]) {
    assert.throws(() => checkCapacity(bad), RangeError);
  }
});

test("two threads pass 4 MB through a small ring without losing one", async () => {
  const total = 4_000_000;
  const { control, ring, reader } = makeRing(4096);
  const source = `
    import { RingWriter } from ${JSON.stringify(new URL("../../client/js/src/ring.js", import.meta.url).href)};
    import { workerData } from "node:worker_threads";
    const control = new Int32Array(workerData.control, 0, 16);
    const writer = new RingWriter(control, workerData.ring);
    let sent = 0;
    const piece = new Uint8Array(1500);
    while (sent < ${total}) {
      const count = Math.min(piece.length, ${total} - sent);
      for (let i = 0; i < count; i++) piece[i] = (sent + i) % 251;
      let offset = 0;
      while (offset < count) offset += writer.write(piece.subarray(0, count), offset);
      sent += count;
    }`;
  const worker = new Worker(
    new URL(`data:text/javascript,${encodeURIComponent(source)}`),
    {
      workerData: { control: control.buffer, ring },
    },
  );
  let got = 0;
  let wrong = 0;
  const done = new Promise((resolve, reject) => {
    worker.once("exit", resolve);
    worker.once("error", reject);
  });
  while (got < total) {
    const view = reader.peek(4096);
    for (const value of view) {
      wrong += value === got++ % 251 ? 0 : 1;
    }
    reader.consume(view.length);
    if (view.length === 0) {
      await new Promise(setImmediate);
    }
  }
  await done;
  assert.equal(wrong, 0);
});
