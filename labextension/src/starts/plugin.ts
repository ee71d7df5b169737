import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { IKernelStarts } from './tokens';

import { StartBanners } from './view';

/** Tells how a kernel's start goes. */
export const startsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'pcw-server-ext:start-banners',
  description: 'Shows slow and failed starts of PySpark kernels.',
  autoStart: true,
  requires: [IKernelStarts],
  activate: (app: JupyterFrontEnd, starts: IKernelStarts) => {
    const banners = new StartBanners(app);
    starts.changed.connect((_, change) => banners.onChange(change));
  }
};
