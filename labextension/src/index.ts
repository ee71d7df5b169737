import { kernelPlugin } from './kernel/plugin';

import { executorPlugin } from './services/executor';

import { servicePlugins } from './services/plugins';

import { connectPlugin, serverDrivePlugin } from './site/plugins';

import { queriesPlugin } from './ui/queries';
import { startsPlugin } from './ui/starts';

export default [
  ...servicePlugins,
  executorPlugin,
  kernelPlugin,
  startsPlugin,
  queriesPlugin,
  connectPlugin,
  serverDrivePlugin
];
