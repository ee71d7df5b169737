import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { ICommandPalette } from '@jupyterlab/apputils';

import { SAME_ORIGIN, tryConfig } from '../page/config';
import { isLite } from '../page/location';

import { SiteConnection } from './connection';

const CONNECT = 'pcw:connect';

/** A command that asks again where Spark is; kernels that are started afterwards use it. */
export const connectPlugin: JupyterFrontEndPlugin<void> = {
  id: 'pcw-server-ext:site-connection',
  description: 'Asks where Spark is, on a site without a server of its own.',
  autoStart: true,
  optional: [ICommandPalette],
  activate: (app: JupyterFrontEnd, palette: ICommandPalette | null) => {
    const site = isLite() ? tryConfig()?.site : undefined;
    if (!site || site.endpoint === SAME_ORIGIN) {
      return;
    }
    app.commands.addCommand(CONNECT, {
      label: 'Connect to Spark…',
      caption: 'Address and token for kernels that are started from now on',
      execute: () => new SiteConnection(site).ask()
    });
    palette?.addItem({ command: CONNECT, category: 'Kernel Operations' });
  }
};
