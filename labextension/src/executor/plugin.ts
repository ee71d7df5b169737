import type { ISessionContext } from '@jupyterlab/apputils';

import type { ICodeCellModel } from '@jupyterlab/cells';

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { INotebookCellExecutor, runCell } from '@jupyterlab/notebook';

/** Longest time that a cell is held for its kernel, in milliseconds. */
const HOLD_MS = 120_000;

/** Whether a kernel is on its way: the session will have it without anybody doing anything. */
function isComing(context: ISessionContext): boolean {
  return (
    !context.isDisposed &&
    !context.session?.kernel &&
    ['initializing', 'starting', 'restarting'].includes(context.kernelDisplayStatus)
  );
}

/** Resolves when the session has its kernel, or when none is coming any more. */
async function settled(context: ISessionContext): Promise<void> {
  await new Promise<void>(resolve => {
    const done = (): void => {
      clearTimeout(timer);
      context.statusChanged.disconnect(check);
      context.kernelChanged.disconnect(check);
      context.sessionChanged.disconnect(check);
      context.disposed.disconnect(done);
      resolve();
    };
    const check = (): void => {
      if (!isComing(context)) {
        done();
      }
    };
    const timer = setTimeout(done, HOLD_MS);
    context.statusChanged.connect(check);
    context.kernelChanged.connect(check);
    context.sessionChanged.connect(check);
    context.disposed.connect(done);
    // The signals above come before the context's own state changes; this one after.
    void context.ready.then(check);
  });
}

/** Run a cell as JupyterLab does, but hold it while the notebook's kernel is being started. */
export async function runCellWhenReady(options: INotebookCellExecutor.IRunCellOptions): Promise<boolean> {
  const { cell, sessionContext } = options;
  if (cell.model.type === 'code' && sessionContext && isComing(sessionContext)) {
    const model = cell.model as ICodeCellModel;
    model.executionState = 'running';
    await settled(sessionContext);
    if (cell.isDisposed) {
      return false;
    }
    model.executionState = 'idle';
  }
  return runCell(options);
}

/**
 * JupyterLab drops a cell that is run before the notebook's session exists; this executor holds it.
 *
 * It replaces JupyterLab's own by providing the same token later; nothing has to be switched off for it.
 */
export const executorPlugin: JupyterFrontEndPlugin<INotebookCellExecutor> = {
  id: 'pcw-server-ext:cell-executor',
  description: 'Runs cells, holding those that come before their kernel.',
  autoStart: true,
  provides: INotebookCellExecutor,
  activate: () => Object.freeze({ runCell: runCellWhenReady })
};
