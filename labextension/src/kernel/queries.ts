import { Token } from '@lumino/coreutils';

import type { QueryProgress } from './protocol';

/** Shows how far the queries of this page's PySpark kernels are. */
export interface IQueryView {
  /**
   * @param request the id of the execute request in which the query runs
   * @param progress null: the cell has ended
   */
  show(request: string, progress: QueryProgress | null): void;
}

export const IQueryView = new Token<IQueryView>(
  'pcw-server-ext:IQueryView',
  'Shows how far the queries of PySpark kernels are.'
);
