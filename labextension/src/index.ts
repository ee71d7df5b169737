import { activityPlugin } from './activity/plugin';

import { executorPlugin } from './executor/plugin';

import { kernelPlugin } from './kernel/plugin';

import { isLite } from './page/location';

import { queriesPlugin } from './queries/plugin';

import { kernelManagerPlugin } from './services/plugins/kernelmanager';
import { kernelClientPlugin } from './services/plugins/kernels';
import { kernelSpecManagerPlugin } from './services/plugins/kernelspecmanager';
import { kernelSpecsPlugin } from './services/plugins/kernelspecs';
import { routedSpecsPlugin } from './services/plugins/routedspecs';
import { sessionManagerPlugin } from './services/plugins/sessionmanager';

import { connectPlugin } from './site/connectplugin';
import { siteDrivePlugin } from './site/driveplugin';
import { serverDrivePlugin } from './site/serverdriveplugin';

import { startsPlugin } from './starts/plugin';

/**
 * The service plugins let server and browser kernels live side by side. On a JupyterLite site the registry of kernelspecs is
 * JupyterLite's own, so that its other kernels are in it; the rest replaces JupyterLite's, to the same ends.
 */
export default [
  ...(isLite() ? [siteDrivePlugin] : [kernelSpecsPlugin]),
  kernelClientPlugin,
  routedSpecsPlugin,
  kernelManagerPlugin,
  kernelSpecManagerPlugin,
  sessionManagerPlugin,
  executorPlugin,
  activityPlugin,
  kernelPlugin,
  startsPlugin,
  queriesPlugin,
  connectPlugin,
  serverDrivePlugin
];
