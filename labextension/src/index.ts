import { kernelPlugin } from './kernel/plugin';

import { executorPlugin } from './services/executor';

import { servicePlugins } from './services/plugins';

export default [...servicePlugins, executorPlugin, kernelPlugin];
