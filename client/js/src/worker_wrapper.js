/**
 * Attach a bridge to every worker that a page makes from now on.
 *
 * For pages whose kernel workers are made by code we cannot change (JupyterLite's stock Pyodide kernel). A worker
 * that never says hello costs one listener.
 */
import { attachBridge } from "./page_bridge.js";

const WRAPPED = Symbol.for("pyspark_connect_web.worker_wrapper");

/**
 * Replace `scope.Worker` by a stand-in that behaves the same: `instanceof`, `name`, `prototype` and subclasses work.
 *
 * @param {{Worker: typeof Worker}} scope `globalThis` of a page
 * @param {import("./page_bridge.js").BridgeOptions} options
 */
export function wrapWorker(scope, options) {
  const native = /** @type {typeof Worker & {[WRAPPED]?: true}} */ (scope.Worker);
  if (native[WRAPPED]) {
    return;
  }
  scope.Worker = new Proxy(native, {
    construct(target, args, newTarget) {
      const worker = Reflect.construct(target, args, newTarget);
      attachBridge(worker, { eager: false, ...options });
      return worker;
    },
    get(target, property, receiver) {
      return property === WRAPPED ? true : Reflect.get(target, property, receiver);
    },
  });
}
