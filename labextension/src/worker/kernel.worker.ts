/** Entry point of the kernel worker. */

import type { Method } from '../kernel/protocol';

import { PySparkRemoteKernel } from './remote';

import { PageWire } from './wire';

const wire: PageWire = new PageWire(
  (method: Method, args: unknown[]) => kernel.handle(method, args),
  () => kernel.cancelAwaiting()
);
const kernel = new PySparkRemoteKernel(wire);
