import type { QueryProgress } from './tokens';

type Running = QueryProgress & { done: false };

const TICK_MS = 500;

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Bytes in the unit that gives up to four digits. */
function readable(bytes: number): string {
  let unit = 0;
  let size = bytes;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${UNITS[unit]}`;
}

/** Seconds as a person says them. */
function duration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** What is said of a query beside its bar. */
export function describe(progress: Running, milliseconds: number): string {
  const parts = [progress.label || 'Spark is running'];
  if (progress.tasks > 0) {
    parts[0] = `Stages ${progress.stages_done} of ${progress.stages}`;
    parts.push(`tasks ${progress.tasks_done} of ${progress.tasks}`, `${progress.running} running`);
  }
  if (progress.bytes > 0) {
    parts.push(`${readable(progress.bytes)} read`);
  }
  parts.push(duration(milliseconds));
  return parts.join(' · ');
}

/** A bar, and a line of text, at the end of a cell. */
export class QueryBar {
  constructor(progress: Running) {
    this._progress = progress;
    this.node.className = 'pcw-Query';
    this._bar.className = 'pcw-Query-bar';
    this._text.className = 'pcw-Query-text';
    this.node.append(this._bar, this._text);
  }

  readonly node = document.createElement('div');

  attach(parent: HTMLElement): void {
    parent.append(this.node);
    this._timer = setInterval(() => this._render(), TICK_MS);
    this._render();
  }

  update(progress: Running): void {
    this._progress = progress;
    this._render();
  }

  remove(): void {
    clearInterval(this._timer);
    this.node.remove();
  }

  private _render(): void {
    const { tasks, tasks_done } = this._progress;
    this._bar.setAttribute('aria-label', 'Query progress');
    if (tasks > 0) {
      this._bar.max = tasks;
      this._bar.value = tasks_done;
    } else {
      // Nobody knows how much there is to do.
      this._bar.removeAttribute('value');
    }
    this._text.textContent = describe(this._progress, performance.now() - this._began);
  }

  private _progress: Running;
  private readonly _began = performance.now();
  private _timer: ReturnType<typeof setInterval> | undefined;
  private readonly _bar = document.createElement('progress');
  private readonly _text = document.createElement('span');
}
