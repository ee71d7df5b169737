import type { ServiceManagerPlugin } from '@jupyterlab/services';

import { IKernelSpecs, KernelSpecs } from '@jupyterlite/services';

/** The registry in which extensions put the kernels that run in the browser. */
export const kernelSpecsPlugin: ServiceManagerPlugin<IKernelSpecs> = {
  id: 'pcw-server-ext:browser-kernelspecs',
  description: 'The registry of kernels that run in the browser.',
  autoStart: true,
  provides: IKernelSpecs,
  activate: () => new KernelSpecs()
};
