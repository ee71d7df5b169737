import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { ICommandPalette } from '@jupyterlab/apputils';

import { IDefaultFileBrowser, IFileBrowserFactory } from '@jupyterlab/filebrowser';

import { Drive, ServerConnection } from '@jupyterlab/services';

import { tryConfig } from '../config';

import { isLite } from '../page';

import { SAME_ORIGIN } from './config';

import { SiteConnection } from './connection';

import { ServerFiles } from './serverfiles';

/** Name of the drive with the server's files, in paths (`server:folder/file`) and as `/server` in kernels. */
export const SERVER_DRIVE = 'server';

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
