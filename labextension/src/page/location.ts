import { PageConfig } from '@jupyterlab/coreutils';

/** Whether this page belongs to a JupyterLite site: no Jupyter server, files kept by the browser. */
export function isLite(): boolean {
  return document.getElementById('jupyter-config-data')?.hasAttribute('data-jupyter-lite-root') ?? false;
}

/** A path or address of the page configuration as an absolute URL: workers have another base. */
export function absolute(path: string): string {
  return new URL(path, new URL(PageConfig.getBaseUrl(), location.href)).href;
}
