/** Envelope, state tables, errors: what is not ours is left alone, what is not allowed raises. */
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  PcwError,
  decodeError,
  encodeError,
} from "../../client/js/src/errors.js";
import {
  BRIDGE_TRANSITIONS,
  BellWord,
  BridgeState,
  CALL_TRANSITIONS,
  CONTROL_BYTES,
  CONTROL_TEXT_OFFSET,
  CallState,
  CallWord,
  Op,
  PROTOCOL_VERSION,
  envelope,
  isFinal,
  moveState,
  openEnvelope,
} from "../../client/js/src/protocol.js";

test("an envelope opens to what was put in", () => {
  assert.deepEqual(envelope(Op.CREDIT, { id: 3 }), {
    __pcw__: { version: PROTOCOL_VERSION, op: "credit", id: 3 },
  });
  assert.deepEqual(openEnvelope(envelope(Op.CREDIT, { id: 3 })), {
    version: PROTOCOL_VERSION,
    op: "credit",
    id: 3,
  });
});

const FOREIGN = [
  ["nothing", undefined],
  ["null", null],
  ["text", "__pcw__"],
  ["a list", [1]],
  ["comlink's", { id: "1", type: "GET", path: ["a"] }],
  ["coincident's", { "a3be-4b1c": [1, "kernel", []] }],
  ["an envelope without a frame", { __pcw__: null }],
  ["an envelope of text", { __pcw__: "hello" }],
  ["a frame without an operation", { __pcw__: { version: 1 } }],
];
for (const [name, message] of FOREIGN) {
  test(`a foreign message is not opened: ${name}`, () => {
    assert.equal(openEnvelope(message), null);
  });
}

const TABLES = [
  ["call", CallState, CALL_TRANSITIONS, CallWord.STATE],
  ["bridge", BridgeState, BRIDGE_TRANSITIONS, BellWord.STATE],
];
for (const [name, states, table, index] of TABLES) {
  for (const [fromName, from] of Object.entries(states)) {
    for (const [toName, to] of Object.entries(states)) {
      const allowed = table[from].includes(to);
      test(`a ${name} ${allowed ? "goes" : "does not go"} from ${fromName} to ${toName}`, () => {
        const words = new Int32Array(new SharedArrayBuffer(64));
        words[index] = from;
        if (allowed) {
          moveState(words, index, table, to);
          assert.equal(words[index], to);
        } else {
          assert.throws(() => moveState(words, index, table, to), /no step/);
          assert.equal(words[index], from);
        }
      });
    }
  }
}

test("final states are those without a next one", () => {
  for (const state of Object.values(CallState)) {
    assert.equal(isFinal(state), CALL_TRANSITIONS[state].length === 0);
  }
});

test("control words end before the text", () => {
  for (const index of Object.values(CallWord)) {
    assert.ok(index * 4 < CONTROL_TEXT_OFFSET);
  }
});

test("an error survives the control block, shortened when it must be", () => {
  const limit = CONTROL_BYTES - CONTROL_TEXT_OFFSET;
  const short = decodeError(
    new TextDecoder().decode(
      encodeError(new PcwError("PcwNetworkError", 'ä "q"'), limit),
    ),
  );
  assert.equal(short.name, "PcwNetworkError");
  assert.equal(short.message, 'ä "q"');
  const bytes = encodeError(
    new PcwError("PcwTimeout", "ä".repeat(10_000)),
    limit,
  );
  assert.ok(bytes.length <= limit);
  assert.equal(decodeError(new TextDecoder().decode(bytes)).name, "PcwTimeout");
});

test("an unknown error name is the protocol's fault", () => {
  assert.equal(
    decodeError('{"name": "Evil", "message": "m"}').name,
    "PcwProtocolError",
  );
});
