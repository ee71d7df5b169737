import { PageConfig } from '@jupyterlab/coreutils';

/** The page configuration's protocol that this extension understands. */
const PROTOCOL = 1;

/** What a site's build tells its pages, as `pcw.site` of the page configuration. */
export interface ISiteConfig {
  /** A grpc-web address, `ask`, or `same-origin`. */
  endpoint: string;
  /** Path of the site's root; starts and ends with `/`. */
  root: string;
  /** Base URL of the Jupyter server that serves the site, or null. */
  server: string | null;
}

/** Endpoints of a site that are no address. */
export const ASK = 'ask';
export const SAME_ORIGIN = 'same-origin';

/** What the server tells the page, see "Server to page" in docs/architecture.md. */
export interface IPcwConfig {
  protocol: number;
  version: string;
  /** Path of the grpc-web endpoints; ends with `/`. */
  grpcUrl: string;
  /** The endpoint that a kernel uses unless its code names another. */
  endpoint: string;
  /** Path of the runtime bundle; ends with `/`. Empty if the server has none. */
  runtimeUrl: string;
  isolation: 'credentialless' | 'require-corp' | 'off';
  channel: 'sab' | 'xhr';
  /** Whether the page may download the runtime before a kernel is started. */
  prefetch: boolean;
  /** Whether the server has the packages of Pyodide's distribution that the runtime lacks. */
  packages?: boolean;
  /** Path of the list of packages that every kernel has from its start; empty or absent: there is none. */
  preinstalledUrl?: string;
  /** On a JupyterLite site only. */
  site?: ISiteConfig;
}

/** The page lacks what a browser kernel needs; the message holds the remedy. */
export class PageSetupError extends Error {
  override readonly name = 'PageSetupError';
}

/**
 * Read the page's configuration.
 *
 * @throws PageSetupError if the server extension is off, speaks another protocol, or has no runtime.
 */
export function readConfig(): IPcwConfig {
  const text = PageConfig.getOption('pcw');
  if (!text) {
    throw new PageSetupError(
      'The server did not describe the browser runtime to this page: its extension pcw_server_ext is off. ' +
        'The log of the Jupyter server says why (a setting that it refused), or run "jupyter server extension enable ' +
        'pcw_server_ext"; then restart the server and reload the page.'
    );
  }
  const config = JSON.parse(text) as IPcwConfig;
  if (config.protocol !== PROTOCOL) {
    throw new PageSetupError(
      `The page speaks protocol ${PROTOCOL}, the server ${config.protocol}: one of them is from another version of ` +
        'pcw-server-ext. Reload the page without cache (Ctrl+Shift+R); if that does not help, reinstall the package ' +
        'and restart the server.'
    );
  }
  if (!config.runtimeUrl) {
    throw new PageSetupError(
      'The server has no browser runtime: pcw-server-ext was installed without it. Install the wheel ' +
        '("pip install --force-reinstall pcw-server-ext"), or in a source tree run "make build"; then restart the server ' +
        'and reload the page.'
    );
  }
  return config;
}

/** The page's configuration, or null if it cannot be used; `readConfig` says why. */
export function tryConfig(): IPcwConfig | null {
  try {
    return readConfig();
  } catch {
    // Asked for where a missing configuration is no fault; a kernel start reports it.
    return null;
  }
}
