import { Widget } from '@lumino/widgets';

/** Room above and below the text, in pixels. */
const PADDING = 12;

/** A strip above the cells of one notebook or console. */
export class Banner extends Widget {
  constructor() {
    super();
    this.addClass('pcw-Banner');
    this.node.append(this._text, this._bar, this._buttons);
    this._text.className = 'pcw-Banner-text';
    this._bar.className = 'pcw-Banner-bar';
    this._buttons.className = 'pcw-Banner-buttons';
  }

  /** Say that something goes on; `fraction` is what is done of it, null where nobody knows. */
  showProgress(text: string, fraction: number | null): void {
    this._show('progress', 'status', text);
    this._bar.hidden = false;
    if (fraction === null) {
      this._bar.removeAttribute('value');
    } else {
      this._bar.value = fraction;
    }
  }

  /** Say that something is wrong, and what can be done with a click. */
  showProblem(kind: 'error' | 'warning', text: string, actions: Banner.IAction[]): void {
    this._show(kind, 'alert', text);
    this._bar.hidden = true;
    this._buttons.append(
      ...actions.map(({ label, run }) => {
        const button = document.createElement('button');
        button.className = 'jp-Button jp-mod-styled jp-mod-minimal pcw-Banner-button';
        button.textContent = label;
        button.addEventListener('click', run);
        return button;
      })
    );
  }

  protected override onResize(msg: Widget.ResizeMessage): void {
    super.onResize(msg);
    this._fitText();
  }

  /** The panel around gives a widget the height that its style asks for, not that of its text. */
  private _fitText(): void {
    const height = `${this._text.offsetHeight + PADDING}px`;
    if (this.isVisible && this.node.style.minHeight !== height) {
      this.node.style.minHeight = height;
      this.parent?.fit();
    }
  }

  private _show(kind: 'progress' | 'error' | 'warning', role: 'status' | 'alert', text: string): void {
    this.node.dataset['pcwKind'] = kind;
    this._text.setAttribute('role', role);
    this._text.textContent = text;
    this._buttons.replaceChildren();
    requestAnimationFrame(() => this._fitText());
  }

  private readonly _text = document.createElement('span');
  private readonly _bar = document.createElement('progress');
  private readonly _buttons = document.createElement('span');
}

export namespace Banner {
  export interface IAction {
    label: string;
    run: () => void;
  }
}
