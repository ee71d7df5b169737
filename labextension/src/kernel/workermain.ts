/** Entry point of the kernel worker; build-worker.mjs bundles it as `lib/kernel/kernel.worker.js`. */

import type { IBootChoices, Method } from '../transport/protocol';
import { PageWire } from '../transport/worker';

import { PySparkRemoteKernel } from './worker';

const wire: PageWire = new PageWire(
  (method: Method, args: unknown[]) => kernel.handle(method, args),
  (choices: IBootChoices) => kernel.prepare(choices),
  () => kernel.cancelAwaiting()
);
const kernel = new PySparkRemoteKernel(wire);
