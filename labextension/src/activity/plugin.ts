import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { ServerConnection } from '@jupyterlab/services';

import { tryConfig } from '../page/config';
import { isLite } from '../page/location';

import { Presence, quietRequest } from './presence';

import { IPageActivity } from './tokens';

import { NO_ACTIVITY, Work } from './work';

/**
 * Keeps the Jupyter server while a kernel of this page works, and lets go of it while the page is only open.
 *
 * JupyterLab asks its server for news every ten seconds as long as it can be seen, and Jupyter takes each question for
 * activity: a tab left open would keep its server for ever.
 */
export const activityPlugin: JupyterFrontEndPlugin<IPageActivity> = {
  id: 'pcw-server-ext:activity',
  description: 'Tells the server when this page is at work, and when it is only open.',
  autoStart: true,
  provides: IPageActivity,
  activate: (app: JupyterFrontEnd) => {
    const settings = activitySettings(app);
    if (settings === null) {
      return NO_ACTIVITY;
    }
    const work = new Work(() => tell(settings));
    if (!isLite()) {
      const presence = new Presence(document);
      const quiet = (): boolean => !work.isRunning && !presence.isThere;
      // The managers hold this object, and look at it for each request.
      Object.assign(settings, { Request: quietRequest(settings.Request, quiet) });
    }
    return work;
  }
};

/**
 * How to reach the server that the page's kernels keep: its own, or the one that serves the site it belongs to, where
 * the visitor trusts the site. All others have none: sites on other hosts, and sites that are shown apart.
 */
function activitySettings(app: JupyterFrontEnd): ServerConnection.ISettings | null {
  if (!isLite()) {
    return app.serviceManager.serverSettings;
  }
  const server = tryConfig()?.site?.server;
  return server
    ? ServerConnection.makeSettings({
        baseUrl: new URL(server, location.href).href,
        // JupyterLite answers its own API in the page; this one is a real server's.
        fetch: window.fetch.bind(window)
      })
    : null;
}

function tell(settings: ServerConnection.ISettings): void {
  const url = new URL('pcw/api/activity', settings.baseUrl).href;
  ServerConnection.makeRequest(url, { method: 'POST' }, settings).catch(() => {
    // The server cannot be reached: nothing is left to keep, and JupyterLab says so to the person.
  });
}
