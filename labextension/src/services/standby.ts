import type { IConnectionStatus } from '@jupyterlab/services';

/** When JupyterLab's managers stop polling: while there is no server, and while the page is hidden. */
export function standby(connection: IConnectionStatus | null): () => boolean | 'when-hidden' {
  return () => !(connection?.isConnected ?? true) || 'when-hidden';
}
