import type { JupyterFrontEnd } from '@jupyterlab/application';

import type { ISessionContext } from '@jupyterlab/apputils';
import { MainAreaWidget } from '@jupyterlab/apputils';

import type { Widget } from '@lumino/widgets';

import { tryConfig } from '../page/config';
import { NOT_ISOLATED } from '../page/isolation';

import { Banner } from './banner';

import type { IStartChange, Start } from './tokens';

/** Starts that are done sooner are not worth a word. */
const SHOW_AFTER_MS = 1000;

/** How often, and how long apart in milliseconds, the notebook of a kernel is looked for. */
const LOOKS = 240;
const LOOK_AGAIN_MS = 250;

const MEGABYTE = 1e6;

/** The error of a browser runtime whose files are missing or wrong, see client/runtime/js/damage.js. */
const BOOT_ERROR = 'BootError';

type SessionWidget = MainAreaWidget & { readonly sessionContext: ISessionContext };

function hasSession(widget: Widget): widget is SessionWidget {
  return widget instanceof MainAreaWidget && 'sessionContext' in widget;
}

/** The notebooks and consoles that use a kernel. */
function widgetsOf(app: JupyterFrontEnd, kernelId: string): SessionWidget[] {
  return [...app.shell.widgets('main')].filter(hasSession).filter(({ sessionContext }) => {
    const kernel = sessionContext.session?.kernel;
    return kernel?.id === kernelId;
  });
}

function progressText(start: Start & { state: 'starting' }): { text: string; fraction: number | null } {
  const { progress } = start;
  if (progress?.stage === 'download' && progress.total > 0) {
    const [loaded, total] = [progress.loaded, progress.total].map(bytes => (bytes / MEGABYTE).toFixed(0));
    return {
      text: `Starting PySpark in this tab: ${loaded} of ${total} MB`,
      fraction: progress.loaded / progress.total
    };
  }
  return { text: 'Starting PySpark in this tab…', fraction: null };
}

/** Shows, in the notebook or console itself, starts that take long or fail, and pages that are not isolated. */
export class StartBanners {
  constructor(private readonly _app: JupyterFrontEnd) {}

  onChange({ kernelId, start }: IStartChange): void {
    const before = this._starts.get(kernelId)?.start.state;
    if (before === undefined || (start.state === 'starting' && before !== 'starting')) {
      const timer = setTimeout(() => this._update(kernelId), SHOW_AFTER_MS);
      this._starts.set(kernelId, { start, due: performance.now() + SHOW_AFTER_MS, timer, looks: 0 });
      this._clear(kernelId);
      return;
    }
    const entry = this._starts.get(kernelId)!;
    entry.start = start;
    if (start.state === 'starting' && performance.now() < entry.due) {
      return;
    }
    clearTimeout(entry.timer);
    this._update(kernelId);
  }

  private _update(kernelId: string): void {
    const entry = this._starts.get(kernelId);
    if (!entry) {
      return;
    }
    const { start } = entry;
    if (widgetsOf(this._app, kernelId).length === 0 && entry.looks < LOOKS) {
      // A start can fail before the notebook's session has its kernel.
      entry.looks++;
      clearTimeout(entry.timer);
      entry.timer = setTimeout(() => this._update(kernelId), LOOK_AGAIN_MS);
      return;
    }
    switch (start.state) {
      case 'starting': {
        const { text, fraction } = progressText(start);
        this._banners(kernelId).forEach(banner => banner.showProgress(text, fraction));
        break;
      }
      case 'failed': {
        const { name, message } = start.reason;
        // That one holds its own remedy.
        const remedy = 'Try again; if it fails again, see whether the server still runs, and reload the page.';
        const text = `PySpark could not be started: ${name === BOOT_ERROR ? message : `${lastLine(message)}. ${remedy}`}`;
        this._banners(kernelId).forEach(banner =>
          banner.showProblem('error', text, [
            { label: 'Try again', run: () => this._restart(kernelId) },
            ...(name === BOOT_ERROR ? [{ label: 'Reload the page', run: () => location.reload() }] : [])
          ])
        );
        break;
      }
      case 'ready':
        this._clear(kernelId);
        if (!crossOriginIsolated) {
          this._warn(kernelId);
        }
    }
  }

  /** The kernel runs, but this page keeps it from waiting for anything. */
  private _warn(kernelId: string): void {
    const spark = tryConfig()?.channel === 'xhr' ? ' Spark itself works, through the XHR channel.' : '';
    this._banners(kernelId).forEach(banner =>
      banner.showProblem('warning', NOT_ISOLATED + spark, [
        { label: 'Reload the page', run: () => location.reload() },
        { label: 'Dismiss', run: () => this._clear(kernelId) }
      ])
    );
  }

  private _restart(kernelId: string): void {
    this._clear(kernelId);
    void widgetsOf(this._app, kernelId)[0]?.sessionContext.restartKernel();
  }

  /** The banners of a kernel, made where they are missing. */
  private _banners(kernelId: string): Banner[] {
    const known = this._shown.get(kernelId) ?? new Map<SessionWidget, Banner>();
    this._shown.set(kernelId, known);
    for (const widget of widgetsOf(this._app, kernelId)) {
      if (!known.has(widget)) {
        const banner = new Banner();
        widget.contentHeader.addWidget(banner);
        known.set(widget, banner);
        widget.disposed.connect(() => known.delete(widget));
      }
    }
    return [...known.values()];
  }

  private _clear(kernelId: string): void {
    this._shown.get(kernelId)?.forEach(banner => banner.dispose());
    this._shown.delete(kernelId);
  }

  private readonly _starts = new Map<string, IStarted>();
  private readonly _shown = new Map<string, Map<SessionWidget, Banner>>();
}

interface IStarted {
  start: Start;
  /** When it becomes worth a word, on the clock of `performance.now()`. */
  due: number;
  timer: ReturnType<typeof setTimeout>;
  /** How often no widget with this kernel was found. */
  looks: number;
}

/** Of a Python traceback the exception, of anything else all of it. */
function lastLine(text: string): string {
  return text.startsWith('Traceback') ? (text.trim().split('\n').at(-1) ?? text) : text;
}
