/** The parts of client/js that this extension uses; the JavaScript there is typed by JSDoc. */
declare module '@pyspark-connect-web/bridge' {
  export interface IBridge {
    /** Wake the kernel from its wait now. */
    wake(): void;
    dispose(): void;
  }

  export function attachBridge(worker: Worker, options: { networkWorker: string }): IBridge;

  /** The object that Python knows as the module `pcw_channel`. */
  export function createKernelChannel(options: { checkInterrupt: () => void }): object;
}

declare module '@pyspark-connect-web/bridge/worker_wrapper.js' {
  /** Attach a bridge to every worker that is made through `scope.Worker`; harmless twice. */
  export function wrapWorker(scope: { Worker: typeof Worker }, options: { networkWorker: string }): void;
}
