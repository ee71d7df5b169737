/** A file of which the server sends parts; `modified` tells one content from a later one. */
export interface IRangedFile {
  size: number;
  modified: string;
}

/** What a kernel asks of the files that JupyterLab shows; paths are contents paths. */
export type DriveRequest =
  | { method: 'stat'; path: string }
  | { method: 'list'; path: string }
  | { method: 'read'; path: string }
  | { method: 'findRanges'; path: string }
  | { method: 'readRange'; path: string; file: IRangedFile; start: number; end: number }
  | { method: 'write'; path: string; data: Uint8Array }
  | { method: 'create'; path: string; directory: boolean }
  | { method: 'rename'; path: string; newPath: string }
  | { method: 'delete'; path: string };

export interface IDriveStat {
  directory: boolean;
  /** Bytes; 0 for folders. */
  size: number;
  /** Milliseconds since the epoch. */
  modified: number;
  created: number;
}
