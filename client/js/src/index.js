/** What other code may import. */
export { attachBridge, Bridge } from "./page_bridge.js";
export { createKernelChannel, KernelChannel } from "./kernel_channel.js";
export { jupyterCredentials } from "./credentials.js";
export { PcwError } from "./errors.js";
export * from "./protocol.js";
