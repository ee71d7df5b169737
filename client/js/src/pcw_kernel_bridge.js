/**
 * Entry point of `pcw_kernel_bridge.js`, loaded in the head of a page before the application:
 *
 *     <script src="./pcw_kernel_bridge.js"></script>      or with type="module"
 */
import source from "pcw:network_worker";
import { wrapWorker } from "./worker_wrapper.js";

const FILE = "pcw_kernel_bridge.js";

/** Our own URL: `currentScript` is null in module scripts. */
function scriptUrl() {
  const current = /** @type {HTMLScriptElement | null} */ (document.currentScript);
  const tag = current ?? document.querySelector(`script[src*="${FILE}"]`);
  return new URL(tag?.getAttribute("src") ?? FILE, document.baseURI);
}

/** A blob worker inherits the page's isolation, whatever headers the host sends with files. */
function blobWorker(NativeWorker = Worker) {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new NativeWorker(url, { type: "module", name: "pcw-network" });
  worker.addEventListener("message", () => URL.revokeObjectURL(url), { once: true });
  return worker;
}

const NativeWorker = Worker;
const fileUrl = new URL("network_worker.js", scriptUrl());
wrapWorker(globalThis, {
  networkWorker: [
    () => blobWorker(NativeWorker),
    () => new NativeWorker(fileUrl, { type: "module", name: "pcw-network" }),
  ],
});
