import { Token } from '@lumino/coreutils';

/** How far a query of the running cell is; see `pyspark_connect_web.kernel.progress`. */
export type QueryProgress =
  | { operation: string; done: true }
  | {
      operation: string;
      done: false;
      /** What the kernel does instead of a query, in words; else empty. */
      label: string;
      /** Counts are 0 where the server reports none. */
      stages: number;
      stages_done: number;
      tasks: number;
      tasks_done: number;
      running: number;
      /** Bytes read. */
      bytes: number;
    };

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
