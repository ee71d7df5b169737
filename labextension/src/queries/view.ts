import type { JupyterFrontEnd } from '@jupyterlab/application';

import type { CodeCell } from '@jupyterlab/cells';

import type { Widget } from '@lumino/widgets';

import { QueryBar } from './bar';

import type { IQueryView, QueryProgress } from './tokens';

/** Queries that are done sooner show nothing. */
const SHOW_AFTER_MS = 1000;

/** The part of a notebook, or a console, that holds cells. */
interface ICellHolder {
  content?: { widgets?: readonly Widget[] };
  console?: { cells?: Iterable<Widget> };
}

function hasOutputs(widget: Widget): widget is CodeCell {
  return 'outputArea' in widget;
}

/** The cells of all open notebooks and consoles. */
function* codeCells(app: JupyterFrontEnd): Generator<CodeCell> {
  for (const panel of app.shell.widgets('main')) {
    const { content, console } = panel as unknown as ICellHolder;
    for (const widget of [...(content?.widgets ?? []), ...(console?.cells ?? [])]) {
      if (hasOutputs(widget)) {
        yield widget;
      }
    }
  }
}

/** The cell that runs because of a request. */
function cellOf(app: JupyterFrontEnd, request: string): CodeCell | null {
  for (const cell of codeCells(app)) {
    // There is no future before the first run, whatever its type says.
    const future = cell.outputArea.future as typeof cell.outputArea.future | undefined;
    if (future?.msg.header.msg_id === request) {
      return cell;
    }
  }
  return null;
}

/** A bar in each cell whose query takes longer than a moment. */
export class QueryView implements IQueryView {
  constructor(private readonly _app: JupyterFrontEnd) {}

  show(request: string, progress: QueryProgress | null): void {
    const shown = this._shown.get(request);
    if (progress === null || progress.done) {
      // A query may end within another one's time, such as those that toLocalIterator's reader makes.
      if (shown && (progress === null || shown.operation === progress.operation)) {
        clearTimeout(shown.timer);
        shown.bar.remove();
        this._shown.delete(request);
      }
      return;
    }
    if (shown && shown.operation === progress.operation) {
      shown.bar.update(progress);
      return;
    }
    if (shown) {
      clearTimeout(shown.timer);
      shown.bar.remove();
    }
    const bar = new QueryBar(progress);
    const timer = setTimeout(() => {
      const cell = cellOf(this._app, request);
      if (cell) {
        bar.attach(cell.node);
      }
    }, SHOW_AFTER_MS);
    this._shown.set(request, { operation: progress.operation, bar, timer });
  }

  private readonly _shown = new Map<string, IShown>();
}

interface IShown {
  operation: string;
  bar: QueryBar;
  timer: ReturnType<typeof setTimeout>;
}
