/**
 * The page's side: a network worker for a kernel worker.
 *
 * The page only introduces the two to each other. After that nothing passes through it but questions for fresh
 * credentials, so a busy page slows no query, and no query slows the page.
 */
import { jupyterCredentials } from "./credentials.js";
import { policyFor } from "./parking.js";
import {
  BRIDGE_TRANSITIONS,
  BellWord,
  BridgeState,
  Op,
  PROTOCOL_VERSION,
  envelope,
  moveState,
  openEnvelope,
} from "./protocol.js";

/** @typedef {import("./protocol.js").Frame} Frame */
/** @typedef {import("./protocol.js").Credentials} Credentials */
/** @typedef {string | URL | (() => Worker)} NetworkWorkerSource a same-origin URL, or what makes the worker */

/**
 * @typedef {object} BridgeOptions
 * @property {NetworkWorkerSource | NetworkWorkerSource[]} networkWorker several are tried in order
 * @property {() => Credentials | null} [credentials] read anew each time; default: the Jupyter page's
 * @property {boolean} [eager] start the network worker now and not with the kernel's first hello; default true
 * @property {import("./parking.js").ParkingPolicy} [parking] default: what fits the browser
 */

/** The bridge of a worker, kept on the worker so that two copies of this code do not both answer it. */
const BRIDGE = Symbol.for("pyspark_connect_web.bridge");

export class Bridge {
  /**
   * @param {Worker} worker the kernel worker
   * @param {BridgeOptions} options
   */
  constructor(worker, options) {
    this.sources = Array.isArray(options.networkWorker)
      ? [...options.networkWorker]
      : [options.networkWorker];
    this.readCredentials = options.credentials ?? (() => jupyterCredentials(document, location.href));
    this.parking = options.parking ?? policyFor(navigator.userAgent);
    /** @type {Worker | null} */
    this.networkWorker = null;
    this.started = false;
    this.disposed = false;
    /** @type {{bell: Int32Array, port: MessagePort}[]} hellos that wait for the network worker */
    this.waiting = [];
    /** @type {Int32Array[]} doorbells of every kernel channel */
    this.bells = [];
    worker.addEventListener("message", this.#onKernelMessage);
    const terminate = worker.terminate;
    worker.terminate = () => {
      this.dispose();
      terminate.call(worker);
    };
    if (options.eager ?? true) {
      this.#start();
    }
  }

  /** Wake the kernel from its wait now, for instance after an interrupt was written. */
  wake() {
    this.bells.forEach(ring);
  }

  /** Stop the network worker; its requests are cancelled, and a kernel that waits for one is told. */
  dispose() {
    this.disposed = true;
    this.networkWorker?.terminate();
    this.networkWorker = null;
    this.#fail();
  }

  /** @param {MessageEvent} event */
  #onKernelMessage = (event) => {
    const frame = openEnvelope(event.data);
    if (frame?.op !== Op.HELLO || this.disposed) {
      return;
    }
    // Nobody else has to understand it.
    event.stopImmediatePropagation();
    const bell = new Int32Array(/** @type {SharedArrayBuffer} */ (frame.bell));
    this.bells.push(bell);
    Atomics.store(bell, BellWord.PAGE_VERSION, PROTOCOL_VERSION);
    if (frame.version !== PROTOCOL_VERSION) {
      settle(bell, BridgeState.VERSION_MISMATCH);
      return;
    }
    settle(bell, BridgeState.SEEN);
    this.waiting.push({ bell, port: /** @type {MessagePort} */ (frame.port) });
    this.#start();
    this.#joinWaiting();
  };

  #start() {
    if (this.networkWorker !== null || this.disposed) {
      return;
    }
    const source = this.sources.shift();
    if (source === undefined) {
      this.#fail();
      return;
    }
    let worker;
    try {
      worker = typeof source === "function" ? source() : new Worker(source, { type: "module" });
    } catch (error) {
      // A content security policy refuses at once; the next source may be allowed.
      console.warn("pyspark_connect_web: a network worker could not be made:", error);
      this.#start();
      return;
    }
    this.networkWorker = worker;
    worker.addEventListener("message", this.#onNetworkMessage);
    worker.addEventListener("error", (event) => {
      console.warn(
        "pyspark_connect_web: error in the network worker:",
        event.message || "it could not be loaded",
      );
      if (!this.started) {
        worker.terminate();
        this.networkWorker = null;
        this.#start();
      }
    });
  }

  /** @param {MessageEvent} event */
  #onNetworkMessage = (event) => {
    const frame = openEnvelope(event.data);
    if (frame?.op === Op.STARTED) {
      this.started = true;
      this.workerVersion = frame.version;
      this.#joinWaiting();
    } else if (frame?.op === Op.CREDENTIALS_WANTED && frame.request !== undefined) {
      this.networkWorker?.postMessage(
        envelope(Op.CREDENTIALS, { request: frame.request, credentials: this.#credentials() }),
      );
    }
  };

  #joinWaiting() {
    if (!this.started) {
      return;
    }
    for (const { bell, port } of this.waiting.splice(0)) {
      Atomics.store(bell, BellWord.WORKER_VERSION, this.workerVersion ?? 0);
      if (this.workerVersion !== PROTOCOL_VERSION) {
        settle(bell, BridgeState.VERSION_MISMATCH);
        continue;
      }
      this.networkWorker?.postMessage(
        envelope(Op.JOIN, {
          bell: /** @type {SharedArrayBuffer} */ (bell.buffer),
          port,
          pageUrl: location.href,
          credentials: this.#credentials(),
          parking: this.parking,
        }),
        [port],
      );
    }
  }

  #credentials() {
    try {
      return this.readCredentials();
    } catch (error) {
      // The server's own refusal tells the rest; a query that needs no credentials goes on.
      console.warn("pyspark_connect_web: the page's credentials could not be read:", error);
      return null;
    }
  }

  #fail() {
    this.waiting = [];
    for (const bell of this.bells) {
      const state = Atomics.load(bell, BellWord.STATE);
      if (BRIDGE_TRANSITIONS[state]?.includes(BridgeState.FAILED)) {
        settle(bell, BridgeState.FAILED);
      }
    }
  }
}

/**
 * Give a kernel worker its network worker. To be called in the same task that created the worker, before it can
 * have posted anything.
 *
 * @param {Worker} worker
 * @param {BridgeOptions} options
 * @returns {Bridge} the worker's bridge, an older one if there is one
 */
export function attachBridge(worker, options) {
  const marked = /** @type {Worker & {[BRIDGE]?: Bridge}} */ (worker);
  marked[BRIDGE] ??= new Bridge(worker, options);
  return marked[BRIDGE];
}

/**
 * @param {Int32Array} bell
 * @param {number} state
 */
function settle(bell, state) {
  moveState(bell, BellWord.STATE, BRIDGE_TRANSITIONS, state);
  ring(bell);
}

/** @param {Int32Array} bell */
function ring(bell) {
  Atomics.add(bell, BellWord.SEQUENCE, 1);
  Atomics.notify(bell, BellWord.SEQUENCE);
}
