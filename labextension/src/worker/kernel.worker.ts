/** Entry point of the kernel worker. */

import type { IBootChoices, Method } from '../kernel/protocol';

import { PySparkRemoteKernel } from './remote';

import { PageWire } from './wire';

const wire: PageWire = new PageWire(
  (method: Method, args: unknown[]) => kernel.handle(method, args),
  (choices: IBootChoices) => kernel.prepare(choices),
  () => kernel.cancelAwaiting()
);
const kernel = new PySparkRemoteKernel(wire);
