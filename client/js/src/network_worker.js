/**
 * The network worker: fetches for the kernel worker beside it, which is blocked, off the UI thread, which is busy.
 *
 * Entry point of a worker of its own. The page sends `JOIN` for every kernel channel, the kernel sends its calls
 * on the port that came with it.
 */
import { CredentialStore } from "./credentials.js";
import { NetworkCall } from "./network_call.js";
import { BACK_PRESSURE_POLICY, ParkingLot } from "./parking.js";
import {
  BRIDGE_TRANSITIONS,
  BellWord,
  BridgeState,
  Op,
  envelope,
  moveState,
  openEnvelope,
} from "./protocol.js";

/** @typedef {import("./protocol.js").Frame} Frame */
/** @typedef {import("./protocol.js").Credentials} Credentials */

/** @type {Map<number, (credentials: Credentials | null) => void>} questions to the page that wait for an answer */
const questions = new Map();
let lastQuestion = 0;

/** @returns {Promise<Credentials | null>} */
function askPage() {
  const request = ++lastQuestion;
  return new Promise((resolve) => {
    questions.set(request, resolve);
    self.postMessage(envelope(Op.CREDENTIALS_WANTED, { request }));
  });
}

/** @param {Frame} frame */
function answer(frame) {
  const request = frame.request ?? 0;
  questions.get(request)?.(frame.credentials ?? null);
  questions.delete(request);
}

/** @param {Frame} frame a `JOIN` */
function join(frame) {
  const bell = new Int32Array(/** @type {SharedArrayBuffer} */ (frame.bell));
  const port = /** @type {MessagePort} */ (frame.port);
  const pageUrl = /** @type {string} */ (frame.pageUrl);
  /** @type {Map<number, NetworkCall>} */
  const calls = new Map();

  const context = {
    ring() {
      Atomics.add(bell, BellWord.SEQUENCE, 1);
      Atomics.notify(bell, BellWord.SEQUENCE);
    },
    pageUrl,
    credentials: new CredentialStore(pageUrl, frame.credentials ?? null, askPage),
    lot: new ParkingLot(frame.parking ?? BACK_PRESSURE_POLICY),
  };

  port.onmessage = ({ data }) => {
    const message = openEnvelope(data);
    const id = message?.id ?? 0;
    if (message?.op === Op.OPEN) {
      const call = new NetworkCall(message, context);
      calls.set(id, call);
      void call.run().finally(() => calls.delete(id));
    } else if (message?.op === Op.CREDIT) {
      calls.get(id)?.credit();
    } else if (message?.op === Op.CANCEL) {
      calls.get(id)?.cancel();
    }
  };
  moveState(bell, BellWord.STATE, BRIDGE_TRANSITIONS, BridgeState.READY);
  context.ring();
}

self.onmessage = ({ data }) => {
  const frame = openEnvelope(data);
  if (frame?.op === Op.JOIN) {
    join(frame);
  } else if (frame?.op === Op.CREDENTIALS) {
    answer(frame);
  }
};

self.postMessage(envelope(Op.STARTED));
