import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { IQueryView } from './tokens';

import { QueryView } from './view';

/** Shows long queries in their cells. */
export const queriesPlugin: JupyterFrontEndPlugin<IQueryView> = {
  id: 'pcw-server-ext:query-progress',
  description: 'Shows how far a query of a PySpark kernel is.',
  autoStart: true,
  provides: IQueryView,
  activate: (app: JupyterFrontEnd) => new QueryView(app)
};
