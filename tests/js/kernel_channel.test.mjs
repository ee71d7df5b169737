/** The kernel's side alone: what it says when the other sides are missing, strange or late. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import vm from "node:vm";

import { createKernelChannel } from "../../client/js/src/kernel_channel.js";
import {
  BellWord,
  BridgeState,
  CallState,
  CallWord,
  ENVELOPE_KEY,
  Op,
  PROTOCOL_VERSION,
} from "../../client/js/src/protocol.js";
import { RingWriter } from "../../client/js/src/ring.js";

/** A channel whose hello is answered by setting the doorbell's words, and the frames it posted. */
function makeChannel(context, words = {}, options = {}) {
  const posted = [];
  const channel = createKernelChannel({
    isolated: true,
    post: (message) => posted.push(message[ENVELOPE_KEY]),
    ...options,
  });
  const [hello] = posted;
  const bell = new Int32Array(hello.bell);
  for (const [name, value] of Object.entries(words)) {
    bell[BellWord[name]] = value;
  }
  const frames = [];
  channel.port.postMessage = (message) => frames.push(message[ENVELOPE_KEY]);
  context.after(() => {
    channel.port.close();
    hello.port.close();
  });
  return { channel, hello, frames };
}

const READY = { STATE: BridgeState.READY };

test("the hello carries version, doorbell and port", (context) => {
  const { hello } = makeChannel(context);
  assert.equal(hello.version, PROTOCOL_VERSION);
  assert.equal(hello.op, Op.HELLO);
  assert.ok(hello.bell instanceof SharedArrayBuffer);
  assert.ok(hello.port instanceof MessagePort);
});

test("without isolation the first call says what to do", () => {
  const channel = createKernelChannel({
    isolated: false,
    post: () => assert.fail("nothing to post"),
  });
  assert.throws(() => channel.open("/a", "[]", []), {
    name: "PcwNotIsolated",
    message: /credentialless/,
  });
});

test("without a page bridge the first call names the script", (context) => {
  const { channel } = makeChannel(context, {}, { bridgeMs: 60 });
  assert.throws(() => channel.open("/a", "[]", []), {
    name: "PcwBridgeMissing",
    message: /pcw_kernel_bridge\.js/,
  });
});

test("a network worker that does not start is not waited for without end", (context) => {
  const { channel } = makeChannel(
    context,
    { STATE: BridgeState.SEEN },
    { bridgeMs: 30, startMs: 30 },
  );
  assert.throws(() => channel.open("/a", "[]", []), {
    name: "PcwNetworkError",
    message: /did not start/,
  });
});

test("an interrupt ends the wait for the page", (context) => {
  const stop = new Error("KeyboardInterrupt");
  const { channel } = makeChannel(
    context,
    {},
    {
      checkInterrupt: () => {
        throw stop;
      },
    },
  );
  assert.throws(() => channel.open("/a", "[]", []), stop);
});

test("another version names both and the remedy", (context) => {
  const words = { STATE: BridgeState.VERSION_MISMATCH, PAGE_VERSION: 7 };
  const { channel } = makeChannel(context, words);
  assert.throws(() => channel.open("/a", "[]", []), {
    name: "PcwProtocolError",
    message: new RegExp(
      `protocol ${PROTOCOL_VERSION}, the page 7\\..*Ctrl\\+Shift\\+R`,
    ),
  });
});

test("a network worker that dies ends a wait", (context) => {
  const { channel, hello } = makeChannel(context, READY);
  const id = channel.open("/a", "[]", []);
  new Int32Array(hello.bell)[BellWord.STATE] = BridgeState.FAILED;
  assert.throws(() => channel.head(id), { name: "PcwNetworkError" });
});

test("parts are copied, so that the caller may change them", (context) => {
  const { channel, frames } = makeChannel(context, READY);
  const part = new Uint8Array([1, 2, 3, 4]).subarray(1, 3);
  const python = {
    released: 0,
    getBuffer: () => ({
      data: new Uint8Array([9]),
      release: () => python.released++,
    }),
    destroy: () => python.released++,
  };
  channel.open("/a", "[]", [part, python]);
  part[0] = 0;
  assert.deepEqual(
    frames[0].parts.map((buffer) => [...new Uint8Array(buffer)]),
    [[2, 3], [9]],
  );
  assert.equal(python.released, 2);
});

test("a call that is over is not known any more; closing twice is harmless", (context) => {
  const { channel, frames } = makeChannel(context, READY);
  const id = channel.open("/a", "[]", []);
  channel.close(id);
  channel.close(id);
  assert.deepEqual(
    frames.map((frame) => frame.op),
    [Op.OPEN, Op.CANCEL],
  );
  assert.throws(() => channel.read(id, 1), { name: "PcwProtocolError" });
});

test("a time limit of zero looks once and says that it is not there", (context) => {
  const { channel } = makeChannel(context, READY);
  const id = channel.open("/a", "[]", []);
  const before = performance.now();
  assert.throws(() => channel.head(id, 0), { name: "PcwTimeout" });
  assert.ok(performance.now() - before < 40);
});

/** Play the network worker for a call. */
function serve(frame, head, body, final) {
  const control = new Int32Array(frame.control, 0, 16);
  const writer = new RingWriter(control, frame.ring);
  const bytes = new TextEncoder().encode(head);
  control[CallWord.HEAD_LENGTH] = bytes.length;
  control[CallWord.STATE] = CallState.STREAMING;
  writer.write(bytes, 0);
  writer.write(body, 0);
  control[CallWord.STATE] = final;
}

test("head and body are taken apart, the end is null again and again", (context) => {
  const { channel, frames } = makeChannel(context, READY);
  const id = channel.open("/a", "[]", []);
  serve(
    frames[0],
    '{"status": 200, "headers": []}',
    new Uint8Array([1, 2, 3]),
    CallState.ENDED,
  );
  assert.equal(channel.head(id), '{"status": 200, "headers": []}');
  assert.deepEqual([...channel.read(id, 2)], [1, 2]);
  assert.deepEqual([...channel.read(id, 2)], [3]);
  assert.equal(channel.read(id, 2), null);
  assert.equal(channel.read(id, 2), null);
});

test("what came before a failure is read first", (context) => {
  const { channel, frames } = makeChannel(context, READY);
  const id = channel.open("/a", "[]", []);
  serve(frames[0], "{}", new Uint8Array([1]), CallState.FAILED);
  const text = new TextEncoder().encode(
    '{"name": "PcwNetworkError", "message": "cut"}',
  );
  new Uint8Array(frames[0].control, 64).set(text);
  new Int32Array(frames[0].control)[CallWord.ERROR_LENGTH] = text.length;
  assert.deepEqual([...channel.read(id, 9)], [1]);
  assert.throws(() => channel.read(id, 9), {
    name: "PcwNetworkError",
    message: "cut",
  });
});

test("memory of a call is used again only when the network worker is done with it", (context) => {
  const { channel, frames } = makeChannel(context, READY);
  const first = channel.open("/a", "[]", []);
  channel.close(first);
  const second = channel.open("/b", "[]", []);
  assert.notEqual(frames.at(-1).ring, frames[0].ring);
  new Int32Array(frames[0].control)[CallWord.STATE] = CallState.CANCELLED;
  channel.close(second);
  channel.open("/c", "[]", []);
  assert.equal(frames.at(-1).ring, frames[0].ring);
  assert.equal(
    new Int32Array(frames[0].control)[CallWord.STATE],
    CallState.OPEN,
  );
});

test("the built script's value is its namespace, and it sets the global", async () => {
  const path = new URL(
    "../../client/js/dist/kernel_channel.js",
    import.meta.url,
  );
  const scope = vm.createContext({ SharedArrayBuffer, Int32Array, Uint8Array });
  const value = vm.runInContext(await readFile(path, "utf8"), scope);
  assert.equal(typeof value.createKernelChannel, "function");
  assert.equal(scope.pcwKernelChannel, value);
});
