import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { IDefaultFileBrowser, IFileBrowserFactory } from '@jupyterlab/filebrowser';

import { Drive, ServerConnection } from '@jupyterlab/services';

import { tryConfig } from '../page/config';
import { isLite } from '../page/location';

import { ServerFiles } from './serverfiles';

import { SERVER_DRIVE } from './tokens';

/** On a site that a Jupyter server serves: the server's own files beside the browser's, with the user's permissions. */
export const serverDrivePlugin: JupyterFrontEndPlugin<void> = {
  id: 'pcw-server-ext:server-drive',
  description: 'Shows the files of the Jupyter server that serves the site.',
  autoStart: true,
  optional: [IFileBrowserFactory, IDefaultFileBrowser],
  activate: (app: JupyterFrontEnd, browsers: IFileBrowserFactory | null, own: IDefaultFileBrowser | null) => {
    const server = isLite() ? tryConfig()?.site?.server : undefined;
    if (!server) {
      return;
    }
    const serverSettings = ServerConnection.makeSettings({
      baseUrl: new URL(server, location.href).href,
      // JupyterLite answers its own API in the page; this one is a real server's.
      fetch: window.fetch.bind(window)
    });
    const drive = new Drive({ name: SERVER_DRIVE, serverSettings });
    app.serviceManager.contents.addDrive(drive);
    if (!browsers) {
      return;
    }
    const browser = browsers.createFileBrowser('pcw-server-filebrowser', {
      driveName: SERVER_DRIVE,
      refreshInterval: 10_000
    });
    const panel = new ServerFiles(browser, browsers.tracker, own);
    app.shell.add(panel, 'left', { rank: 101, type: 'File Browser' });
  }
};
