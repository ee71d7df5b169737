import type { FileBrowser, IFileBrowserFactory } from '@jupyterlab/filebrowser';

import { folderIcon } from '@jupyterlab/ui-components';

import { BoxPanel } from '@lumino/widgets';

/**
 * The file browser of the server's files, in a panel of its own.
 *
 * JupyterLab makes new files in the folder of the current file browser, which is the one that was used last, or else the one
 * that was made last. This one becomes the current one when it is shown and is so no longer than that: what the launcher
 * and the menus make belongs to the site, unless the visitor looks at the server's files.
 */
export class ServerFiles extends BoxPanel {
  /**
   * @param _own the browser of the site's own files, or null on pages without one
   */
  constructor(
    private readonly _browser: FileBrowser,
    private readonly _browsers: IFileBrowserFactory['tracker'],
    private readonly _own: FileBrowser | null
  ) {
    super();
    this.id = 'pcw-server-files';
    this.title.icon = folderIcon;
    this.title.caption = 'Files of the Jupyter server';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Files of the Jupyter server');
    this.addWidget(_browser);
    _browsers.currentChanged.connect(() => {
      if (!this.isVisible) {
        this._choose();
      }
    });
  }

  protected override onActivateRequest(): void {
    this._browser.activate();
  }

  protected override onAfterShow(): void {
    this._choose();
  }

  protected override onAfterHide(): void {
    this._choose();
  }

  private _choose(): void {
    // Not within a signal: who is told after this would be told the older change last.
    queueMicrotask(() => {
      const other = this.isVisible ? this._own : this._browser;
      const wanted = this.isVisible ? this._browser : this._own;
      if (wanted && this._browsers.currentWidget === other) {
        // Trackers follow the focus and cannot be told otherwise; the first event makes the second one a change.
        focus(other);
        focus(wanted);
      }
    });
  }
}

function focus(browser: FileBrowser | null): void {
  browser?.node.dispatchEvent(new FocusEvent('focus'));
  browser?.node.dispatchEvent(new FocusEvent('blur'));
}
