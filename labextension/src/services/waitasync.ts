/**
 * The stock Pyodide kernel's transport (coincident 1.2) takes for granted that `Atomics.waitAsync` gives a promise. When
 * its worker answers first, it gives a string, an error is thrown and the cell stays busy for ever.
 */

interface IWait {
  async: boolean;
  value: unknown;
}

type WaitAsync = (typed: Int32Array, index: number, value: number, timeout?: number) => IWait;

/** Let `Atomics.waitAsync` always give a promise. To be called before a stock kernel is started; harmless twice. */
export function promiseWaitAsync(): void {
  const atomics = Atomics as unknown as { waitAsync?: WaitAsync };
  const native = atomics.waitAsync;
  if (!native) {
    return;
  }
  atomics.waitAsync = (...args) => {
    const wait = native.apply(Atomics, args);
    return wait.async ? wait : { async: true, value: Promise.resolve(wait.value) };
  };
}
