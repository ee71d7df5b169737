import { PathExt } from '@jupyterlab/coreutils';

import type { Contents } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';

import { fromBase64, toBase64 } from './base64';
import type { IRangedFile } from './filerange';
import { FileChanged, FileRanges } from './filerange';

import type { Answer } from './transport';

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

/** A failed request; `code` is the errno name that Python shall see. */
export class DriveError extends Error {
  override readonly name = 'DriveError';

  constructor(
    readonly code: string,
    message: string
  ) {
    super(message);
  }
}

/** HTTP status of the contents API to errno name. */
const ERRNO: Record<number, string> = {
  400: 'EINVAL',
  401: 'EACCES',
  403: 'EACCES',
  404: 'ENOENT',
  405: 'EPERM',
  409: 'EEXIST',
  413: 'EFBIG',
  507: 'ENOSPC'
};

/**
 * The files of JupyterLab's contents manager, byte for byte.
 *
 * A Jupyter server is always read and written as base64, which is exact for every file, notebooks included. Where
 * the store keeps the format it was given (JupyterLite), text stays text and everything else is base64.
 */
export class DriveServer {
  constructor(
    private readonly _contents: Contents.IManager,
    private readonly _keepText: boolean
  ) {
    this._ranges = new FileRanges(_contents);
  }

  /**
   * Do what the kernel asks.
   *
   * @throws DriveError with the errno name for Python
   */
  async handle(request: DriveRequest): Promise<Answer> {
    try {
      switch (request.method) {
        case 'stat':
          return await this._stat(request.path);
        case 'list':
          return await this._list(request.path);
        case 'read':
          return await this._read(request.path);
        case 'findRanges':
          return this._sendsRanges(request.path) ? await this._ranges.find(request.path) : null;
        case 'readRange':
          return await this._ranges.read(request.path, request.file, request.start, request.end);
        case 'write':
          return await this._write(request.path, request.data);
        case 'create':
          return await this._create(request.path, request.directory);
        case 'rename':
          return await this._rename(request.path, request.newPath);
        case 'delete':
          await this._contents.delete(request.path);
          return null;
      }
    } catch (reason) {
      throw driveError(request, reason);
    }
  }

  /** Whether a file's store keeps its format: a site's own store does, a server that is a further drive of it does not. */
  private _keeps(path: string): boolean {
    return this._keepText && this._contents.driveName(path) === '';
  }

  /** Whether a file is on the page's own Jupyter server. */
  private _sendsRanges(path: string): boolean {
    return !this._keepText && this._contents.driveName(path) === '';
  }

  private async _stat(path: string): Promise<IDriveStat> {
    const model = await this._contents.get(path, { content: false });
    return {
      directory: model.type === 'directory',
      size: model.size ?? 0,
      modified: Date.parse(model.last_modified) || 0,
      created: Date.parse(model.created) || 0
    };
  }

  private async _list(path: string): Promise<string[]> {
    const model = await this._contents.get(path, { content: true, type: 'directory' });
    return (model.content as Contents.IModel[]).map(entry => entry.name);
  }

  private async _read(path: string): Promise<Uint8Array> {
    const model = await this._contents.get(path, {
      content: true,
      type: 'file',
      format: this._keeps(path) ? undefined : 'base64'
    });
    if (model.format === 'base64') {
      return fromBase64(model.content as string);
    }
    const text = typeof model.content === 'string' ? model.content : JSON.stringify(model.content);
    return new TextEncoder().encode(text);
  }

  private async _write(path: string, data: Uint8Array): Promise<null> {
    const text = this._keeps(path) ? decodeStrictly(data) : null;
    await this._contents.save(path, {
      type: 'file',
      format: text === null ? 'base64' : 'text',
      content: text ?? toBase64(data)
    });
    return null;
  }

  private async _create(path: string, directory: boolean): Promise<null> {
    if (!directory) {
      return this._write(path, new Uint8Array());
    }
    if (!this._keeps(path)) {
      await this._contents.save(path, { type: 'directory' });
      return null;
    }
    const made = await this._contents.newUntitled({ path: PathExt.dirname(path), type: 'directory' });
    await this._contents.rename(made.path, path);
    return null;
  }

  /** Rename as POSIX has it: a file that is in the way is replaced. */
  private async _rename(path: string, newPath: string): Promise<null> {
    try {
      await this._contents.rename(path, newPath);
    } catch (reason) {
      if (statusOf(reason) !== 409 || (await this._stat(newPath)).directory) {
        throw reason;
      }
      await this._contents.delete(newPath);
      await this._contents.rename(path, newPath);
    }
    return null;
  }

  private readonly _ranges: FileRanges;
}

function statusOf(reason: unknown): number | null {
  return reason instanceof ServerConnection.ResponseError ? reason.response.status : null;
}

function driveError(request: DriveRequest, reason: unknown): DriveError {
  if (reason instanceof FileChanged) {
    return new DriveError('ESTALE', reason.message);
  }
  const status = statusOf(reason);
  const message = reason instanceof Error ? reason.message : String(reason);
  let code = status === null ? null : (ERRNO[status] ?? 'EIO');
  if (code === 'EINVAL' && request.method === 'delete') {
    // The server deletes folders only when they are empty, unless told otherwise.
    code = 'ENOTEMPTY';
  }
  if (code === 'EINVAL' && request.method === 'list') {
    code = 'ENOTDIR';
  }
  if (code === 'EINVAL' && request.method === 'read') {
    code = 'EISDIR';
  }
  // JupyterLite's store has no HTTP status: what cannot be read or looked up there is not there.
  const absent = status === null && !(reason instanceof ServerConnection.NetworkError);
  code ??= absent && ['stat', 'read', 'list'].includes(request.method) ? 'ENOENT' : 'EIO';
  return new DriveError(code, `${request.method} ${request.path}: ${message}`);
}

/** The text if these bytes are UTF-8 to the last, else null. */
function decodeStrictly(data: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    // Not a fault: it is a binary file.
    return null;
  }
}
