/** How a response gets from `fetch` into the ring, whatever kind of stream its body is. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";

import { NetworkCall } from "../../client/js/src/network_call.js";
import {
  CONTROL_BYTES,
  CONTROL_TEXT_OFFSET,
  CallState,
  CallWord,
} from "../../client/js/src/protocol.js";
import { RingReader } from "../../client/js/src/ring.js";

/** Sizes that fit no buffer of the way: one byte, less than the ring, more than all buffers together. */
const PIECES = [1, 4095, 70_001, 1_300_003, 17].map((size) =>
  randomBytes(size),
);
const WHOLE = Buffer.concat(PIECES);

/** A body as `fetch` gives it in Chromium: a byte stream. */
function byteStream(pieces) {
  const left = [...pieces];
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      if (left.length > 0) {
        controller.enqueue(new Uint8Array(left.shift()));
      } else {
        controller.close();
        controller.byobRequest?.respond(0);
      }
    },
  });
}

/** A body that is no byte stream: every piece has a buffer of its own. */
function plainStream(pieces) {
  return ReadableStream.from(pieces.map((piece) => new Uint8Array(piece)));
}

/** Run a call whose `fetch` answers with `body`, read by a reader that takes `most` bytes at a time. */
async function carry(context, body, most = 50_000) {
  context.mock.method(globalThis, "fetch", () =>
    Promise.resolve(new Response(body)),
  );
  const frame = {
    control: new SharedArrayBuffer(CONTROL_BYTES),
    ring: new SharedArrayBuffer(65_536),
    url: "/x",
  };
  const control = new Int32Array(frame.control, 0, CONTROL_TEXT_OFFSET / 4);
  const reader = new RingReader(control, frame.ring);
  const received = [];
  const call = new NetworkCall(frame, {
    pageUrl: "http://127.0.0.1/",
    credentials: {
      headersFor: () => ({}),
      refresh: () => Promise.resolve(false),
    },
    lot: { enter: () => {}, leave: () => {} },
    // The doorbell: what another thread would do when it rings.
    ring: () =>
      setImmediate(() => {
        for (
          let view = reader.peek(most);
          view.length > 0;
          view = reader.peek(most)
        ) {
          received.push(Buffer.from(view));
          if (reader.consume(view.length)) {
            call.credit();
          }
        }
      }),
  });
  await call.run();
  await new Promise(setImmediate);
  const bytes = Buffer.concat(received).subarray(control[CallWord.HEAD_LENGTH]);
  const text = new Uint8Array(
    frame.control,
    CONTROL_TEXT_OFFSET,
    control[CallWord.ERROR_LENGTH],
  );
  return {
    state: control[CallWord.STATE],
    bytes,
    error: Buffer.from(text).toString(),
  };
}

for (const [name, make] of Object.entries({ byteStream, plainStream })) {
  test(`${name}: every byte arrives, once and in order`, async (context) => {
    const { state, bytes } = await carry(context, make(PIECES));
    assert.equal(state, CallState.ENDED);
    assert.ok(bytes.equals(WHOLE));
  });

  test(`${name}: a body without bytes ends`, async (context) => {
    const { state, bytes } = await carry(context, make([]));
    assert.deepEqual([state, bytes.length], [CallState.ENDED, 0]);
  });
}

test("a response without a body ends", async (context) => {
  const { state, bytes } = await carry(context, null);
  assert.deepEqual([state, bytes.length], [CallState.ENDED, 0]);
});

test("a body that breaks off keeps what came, and says so", async (context) => {
  let pulled = 0;
  const body = new ReadableStream({
    type: "bytes",
    pull(controller) {
      if (pulled++ === 0) {
        controller.enqueue(new Uint8Array(PIECES[1]));
      } else {
        controller.error(new TypeError("network error"));
      }
    },
  });
  const { state, bytes, error } = await carry(context, body);
  assert.equal(state, CallState.FAILED);
  assert.ok(bytes.equals(PIECES[1]));
  assert.match(
    error,
    /PcwNetworkError.*The response of \/x was cut before its end\./,
  );
});
