import { PageConfig } from '@jupyterlab/coreutils';

import type { Contents, ServiceManagerPlugin } from '@jupyterlab/services';
import { IDefaultDrive } from '@jupyterlab/services';

import { ILocalForage } from '@jupyterlite/localforage';

import { SiteDrive } from './drive';

/** A site's files, in the place of JupyterLite's own drive and with the same storage. */
export const siteDrivePlugin: ServiceManagerPlugin<Contents.IDrive> = {
  id: 'pcw-server-ext:site-drive',
  description: 'The files of a site, byte for byte.',
  autoStart: true,
  requires: [ILocalForage],
  provides: IDefaultDrive,
  activate: (_: null, { localforage }: ILocalForage) =>
    new SiteDrive({
      localforage,
      // As JupyterLite names it: what visitors of an older site have made is there.
      storageName:
        PageConfig.getOption('contentsStorageName') || `JupyterLite Storage - ${PageConfig.getOption('baseUrl')}`,
      storageDrivers: JSON.parse(PageConfig.getOption('contentsStorageDrivers') || 'null') as string[] | null
    })
};
