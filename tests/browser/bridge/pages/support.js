/** What the test pages share: ask a kernel worker to do something, keep the UI thread busy. */

let lastRequest = 0;

export class Kernel {
  constructor(worker) {
    this.worker = worker;
    this.interrupts = null;
  }

  ask(operation, argument) {
    const request = ++lastRequest;
    return new Promise((resolve) => {
      const listener = ({ data }) => {
        if (data.request === request) {
          this.worker.removeEventListener("message", listener);
          resolve({ value: data.value, error: data.error, type: data.type });
        }
      };
      this.worker.addEventListener("message", listener);
      this.worker.postMessage({ request, operation, argument });
    });
  }

  async start(options) {
    const answer = await this.ask("start", options);
    this.interrupts = answer.value?.interrupts ? new Uint8Array(answer.value.interrupts) : null;
    return { error: answer.error, type: answer.type };
  }
}

/**
 * Fetch on the UI thread for a blocked worker: what the network worker is measured against.
 *
 * The answer is `[state, length]` and the body, in shared memory.
 */
export function serveOnUiThread(worker) {
  worker.addEventListener("message", async ({ data }) => {
    if (data.fetchForMe === undefined) {
      return;
    }
    const { url, body, words, bytes } = data.fetchForMe;
    const response = await fetch(url, { method: "POST", body });
    const answer = new Uint8Array(await response.arrayBuffer());
    bytes.set(answer);
    words[1] = answer.length;
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
  });
}

/** Block the UI thread for `busy` of every `busy + idle` milliseconds. */
export function keepBusy(busy, idle) {
  let on = true;
  const spin = () => {
    const until = performance.now() + busy;
    while (performance.now() < until);
    if (on) {
      setTimeout(spin, idle);
    }
  };
  spin();
  return () => {
    on = false;
  };
}
