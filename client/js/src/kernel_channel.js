/**
 * The kernel's side: calls that block until bytes are there.
 *
 * A kernel worker that runs synchronous Python cannot await anything, so it waits on a word of shared memory.
 * Every 50 ms it wakes to let Python look for an interrupt.
 */
import { PcwError, decodeError } from "./errors.js";
import {
  BELL_BYTES,
  BLOB_FROM_BYTES,
  BellWord,
  BridgeState,
  CONTROL_BYTES,
  CONTROL_TEXT_OFFSET,
  CallState,
  CallWord,
  Op,
  PROTOCOL_VERSION,
  envelope,
  isFinal,
} from "./protocol.js";
import { RingReader, checkCapacity } from "./ring.js";
import { waitSlice } from "./wait.js";

/** Rings kept for the next calls. */
const POOLED_SLOTS = 4;

const NOT_ISOLATED =
  "This page is not cross-origin isolated, so SharedArrayBuffer does not exist and a blocking call cannot wait for " +
  "its answer. Serve the page with the headers 'Cross-Origin-Opener-Policy: same-origin' and " +
  "'Cross-Origin-Embedder-Policy: credentialless' and reload it: pcw-server-ext sends them unless PcwExtension.isolation " +
  "is off or a proxy removes them; on a host that cannot send headers load coi-serviceworker.js first. " +
  "Without isolation only the 'xhr' channel works, which must be chosen explicitly.";

const BRIDGE_MISSING =
  "No page bridge answered this kernel, so it cannot reach the network. Load pcw_kernel_bridge.js in the head of the " +
  "page before the application's scripts, reload the page and start the kernel again.";

/**
 * @typedef {object} KernelChannelOptions
 * @property {(message: unknown, transfer: Transferable[]) => void} [post] to the page; default `self.postMessage`
 * @property {() => void} [checkInterrupt] called while waiting; throws to end the wait. Pyodide's `checkInterrupt`
 * @property {number} [ringBytes] ring of one call, a power of two; default 2 MiB
 * @property {number} [bridgeMs] how long the page may take to answer the hello; default 8000
 * @property {number} [startMs] how long the network worker may then take to start; default 20000
 * @property {boolean} [isolated] default `self.crossOriginIsolated`
 */

/**
 * @typedef {object} Slot memory of one call
 * @property {Int32Array} control
 * @property {RingReader} reader
 * @property {Uint8Array} text
 */

/**
 * @typedef {Slot & {taken: number, head: string | null}} OpenCall
 * `taken`: bytes of the last view, given back with the next call
 */

/**
 * The object Python knows as the module `pcw_channel`.
 */
export class KernelChannel {
  /** @param {KernelChannelOptions} [options] */
  constructor(options = {}) {
    this.checkInterrupt = options.checkInterrupt ?? (() => {});
    this.ringBytes = options.ringBytes ?? 2 * 1024 * 1024;
    checkCapacity(this.ringBytes);
    this.bridgeMs = options.bridgeMs ?? 8000;
    this.startMs = options.startMs ?? 20000;
    /** The protocol this side speaks. */
    this.version = PROTOCOL_VERSION;
    /** @type {Map<number, OpenCall>} */
    this.calls = new Map();
    this.lastId = 0;
    /** @type {Slot[]} */
    this.free = [];
    /** @type {Slot[]} cancelled, but the network worker may still write into them */
    this.draining = [];
    /** @type {Int32Array | null} */
    this.bell = null;
    /** @type {MessagePort | null} */
    this.port = null;
    this.ready = false;
    this.since = 0;
    if (options.isolated ?? globalThis.crossOriginIsolated) {
      this.#sayHello(options.post ?? ((message, transfer) => globalThis.postMessage(message, { transfer })));
    }
  }

  /** @param {(message: unknown, transfer: Transferable[]) => void} post */
  #sayHello(post) {
    const bell = new SharedArrayBuffer(BELL_BYTES);
    const { port1, port2 } = new MessageChannel();
    this.bell = new Int32Array(bell);
    this.port = port1;
    this.since = performance.now();
    post(envelope(Op.HELLO, { bell, port: port2 }), [port2]);
  }

  /**
   * Block until the network worker answers; a no-op afterwards. `open` does it by itself.
   *
   * @throws {PcwError} PcwNotIsolated, PcwBridgeMissing, PcwProtocolError (versions), PcwNetworkError (no start)
   */
  connect() {
    const bell = this.bell;
    if (bell === null) {
      throw new PcwError("PcwNotIsolated", NOT_ISOLATED);
    }
    if (this.ready) {
      return;
    }
    for (;;) {
      const sequence = Atomics.load(bell, BellWord.SEQUENCE);
      const state = this.#bridgeState();
      const waited = performance.now() - this.since;
      if (state === BridgeState.READY) {
        this.ready = true;
        return;
      }
      if (state === BridgeState.WAITING && waited > this.bridgeMs) {
        throw new PcwError("PcwBridgeMissing", BRIDGE_MISSING);
      }
      if (state === BridgeState.SEEN && waited > this.bridgeMs + this.startMs) {
        throw new PcwError(
          "PcwNetworkError",
          "The network worker did not start in time. Reload the page and run the cell again.",
        );
      }
      this.#sleep(sequence, Infinity);
    }
  }

  /**
   * Start a POST.
   *
   * @param {string} url absolute, or relative to the page
   * @param {string} headersJson `[[name, value], ...]`
   * @param {Iterable<Uint8Array | PythonBuffer>} parts of the body; each is copied before the next one is asked for, so
   *   that a Python generator need not hold more than one
   * @returns {number} the call's id
   */
  open(url, headersJson, parts) {
    this.connect();
    // First: what makes the parts may fail, or be interrupted.
    const copies = Array.from(parts, copyPart);
    const slot = this.#takeSlot();
    const id = ++this.lastId;
    /** @type {MessagePort} */ (this.port).postMessage(
      envelope(Op.OPEN, {
        id,
        control: /** @type {SharedArrayBuffer} */ (slot.control.buffer),
        ring: /** @type {SharedArrayBuffer} */ (slot.reader.bytes.buffer),
        url,
        headers: JSON.parse(headersJson),
        parts: copies,
      }),
      copies.filter((copy) => copy instanceof ArrayBuffer),
    );
    this.calls.set(id, { ...slot, taken: 0, head: null });
    return id;
  }

  /**
   * Block until the response head is there.
   *
   * @param {number} id
   * @param {number | null} [timeoutMs] no limit when absent
   * @returns {string} JSON `{"status": number, "headers": [[name, value], ...]}`
   */
  head(id, timeoutMs) {
    const call = this.#call(id);
    if (call.head === null) {
      const deadline = deadlineAfter(timeoutMs);
      this.#wait(call, deadline, (state) => state !== CallState.OPEN);
      this.#raiseBeforeHead(call);
      call.head = new TextDecoder().decode(
        this.#readExactly(id, call, Atomics.load(call.control, CallWord.HEAD_LENGTH), deadline),
      );
    }
    return call.head;
  }

  /**
   * Block until at least one byte of the body is there.
   *
   * @param {number} id
   * @param {number} max bytes
   * @param {number | null} [timeoutMs] no limit when absent
   * @returns {Uint8Array | null} a view of shared memory, valid until the next call for this id; null at the end
   */
  read(id, max, timeoutMs) {
    this.head(id, timeoutMs);
    const call = this.#call(id);
    this.#giveBack(id, call);
    return this.#next(call, max, deadlineAfter(timeoutMs));
  }

  /**
   * End a call: cancelled when it still runs. Unknown ids are ignored, so closing twice is harmless.
   *
   * @param {number} id
   */
  close(id) {
    const call = this.calls.get(id);
    if (call === undefined) {
      return;
    }
    this.calls.delete(id);
    if (!isFinal(Atomics.load(call.control, CallWord.STATE))) {
      this.#post(Op.CANCEL, id);
    }
    this.draining.push({ control: call.control, reader: call.reader, text: call.text });
  }

  /**
   * @param {OpenCall} call
   * @param {number} max
   * @param {number} deadline
   */
  #next(call, max, deadline) {
    const state = this.#wait(call, deadline, (now) => isFinal(now) || call.reader.available() > 0);
    // The state was loaded before the counter, so a final state means that every byte is counted.
    const view = call.reader.peek(max);
    if (view.length > 0) {
      call.taken = view.length;
      return view;
    }
    if (state === CallState.FAILED) {
      throw this.#errorOf(call);
    }
    return null;
  }

  /**
   * @param {number} id
   * @param {OpenCall} call
   * @param {number} count
   * @param {number} deadline
   */
  #readExactly(id, call, count, deadline) {
    const bytes = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const view = this.#next(call, count - filled, deadline);
      if (view === null) {
        throw new PcwError("PcwProtocolError", "The response head ended early.");
      }
      bytes.set(view, filled);
      filled += view.length;
      this.#giveBack(id, call);
    }
    return bytes;
  }

  /**
   * @param {number} id
   * @param {OpenCall} call
   */
  #giveBack(id, call) {
    const count = call.taken;
    call.taken = 0;
    if (count > 0 && call.reader.consume(count)) {
      this.#post(Op.CREDIT, id);
    }
  }

  /** @param {OpenCall} call */
  #raiseBeforeHead(call) {
    if (Atomics.load(call.control, CallWord.HEAD_LENGTH) === 0) {
      throw this.#errorOf(call);
    }
  }

  /** @param {OpenCall} call */
  #errorOf(call) {
    const length = Atomics.load(call.control, CallWord.ERROR_LENGTH);
    // TextDecoder refuses shared memory: copy first.
    return decodeError(new TextDecoder().decode(call.text.slice(0, length)));
  }

  /**
   * @param {OpenCall} call
   * @param {number} deadline of `performance.now()`
   * @param {(state: number) => boolean} done
   * @returns {number} the state that was loaded when `done` said true
   */
  #wait(call, deadline, done) {
    const bell = /** @type {Int32Array} */ (this.bell);
    for (;;) {
      const sequence = Atomics.load(bell, BellWord.SEQUENCE);
      const state = Atomics.load(call.control, CallWord.STATE);
      if (done(state)) {
        return state;
      }
      this.#bridgeState();
      const left = deadline - performance.now();
      if (left <= 0) {
        throw new PcwError("PcwTimeout", "The server did not answer within the time given for the call.");
      }
      this.#sleep(sequence, left);
    }
  }

  /**
   * @param {number} sequence the doorbell's value before the caller looked for its event
   * @param {number} milliseconds
   */
  #sleep(sequence, milliseconds) {
    const bell = /** @type {Int32Array} */ (this.bell);
    waitSlice(bell, BellWord.SEQUENCE, sequence, milliseconds, () => this.checkInterrupt());
  }

  /** @returns {number} a state that is not a failure */
  #bridgeState() {
    const bell = /** @type {Int32Array} */ (this.bell);
    const state = Atomics.load(bell, BellWord.STATE);
    if (state === BridgeState.VERSION_MISMATCH) {
      throw new PcwError("PcwProtocolError", versionMismatch(bell));
    }
    if (state === BridgeState.FAILED) {
      throw new PcwError(
        "PcwNetworkError",
        "The network worker could not be started or has stopped. Reload the page; if it happens again, look in the " +
          "browser's console for network_worker.js (its response needs the Cross-Origin-Embedder-Policy header).",
      );
    }
    return state;
  }

  #takeSlot() {
    for (const slot of this.draining.splice(0)) {
      if (!isFinal(Atomics.load(slot.control, CallWord.STATE))) {
        this.draining.push(slot);
      } else if (this.free.length < POOLED_SLOTS) {
        this.free.push(slot);
      }
    }
    const slot = this.free.pop();
    if (slot !== undefined) {
      slot.control.fill(0);
      return slot;
    }
    const control = new SharedArrayBuffer(CONTROL_BYTES);
    const words = new Int32Array(control, 0, CONTROL_TEXT_OFFSET / 4);
    return {
      control: words,
      reader: new RingReader(words, new SharedArrayBuffer(this.ringBytes)),
      text: new Uint8Array(control, CONTROL_TEXT_OFFSET),
    };
  }

  /** @param {number} id */
  #call(id) {
    const call = this.calls.get(id);
    if (call === undefined) {
      throw new PcwError("PcwProtocolError", `There is no open call ${id}: it was closed or never opened.`);
    }
    return call;
  }

  /**
   * @param {string} op
   * @param {number} id
   */
  #post(op, id) {
    /** @type {MessagePort} */ (this.port).postMessage(envelope(op, { id }));
  }
}

/** @param {KernelChannelOptions} [options] */
export function createKernelChannel(options) {
  return new KernelChannel(options);
}

/** @param {number | null | undefined} timeoutMs */
function deadlineAfter(timeoutMs) {
  return typeof timeoutMs === "number" ? performance.now() + timeoutMs : Infinity;
}

/**
 * @typedef {object} PythonBuffer a Pyodide proxy of a Python buffer
 * @property {(type: "u8") => {data: Uint8Array, release: () => void}} getBuffer
 * @property {() => void} destroy
 */

/**
 * Copy once, into what can leave this worker (WebAssembly memory cannot).
 *
 * @param {Uint8Array | PythonBuffer} part
 * @returns {ArrayBuffer | Blob}
 */
function copyPart(part) {
  if (!("getBuffer" in part)) {
    return copyBytes(part);
  }
  const view = part.getBuffer("u8");
  try {
    return copyBytes(view.data);
  } finally {
    view.release();
    part.destroy();
  }
}

/**
 * @param {Uint8Array} bytes
 * @returns {ArrayBuffer | Blob}
 */
function copyBytes(bytes) {
  return bytes.length < BLOB_FROM_BYTES
    ? /** @type {ArrayBuffer} */ (new Uint8Array(bytes).buffer)
    : new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (bytes)]);
}

/** @param {Int32Array} bell */
function versionMismatch(bell) {
  const page = Atomics.load(bell, BellWord.PAGE_VERSION);
  const worker = Atomics.load(bell, BellWord.WORKER_VERSION);
  const others = worker !== 0 && worker !== page ? `${page}, its network worker ${worker}` : `${page}`;
  return (
    `The kernel speaks bridge protocol ${PROTOCOL_VERSION}, the page ${others}. One of them is from another ` +
    "version of pcw-server-ext: reload the page without cache (Ctrl+Shift+R), or install the same version of " +
    "pyspark_connect_web in the kernel, and start the kernel again."
  );
}
