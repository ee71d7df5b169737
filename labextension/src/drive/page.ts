import type { Contents } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';

import type { Answer } from '../transport/answers';

import { fromBase64, toBase64 } from './base64';
import { FileChanged, FileRanges } from './ranges';

import { decodeStrictly } from './text';

import type { DriveRequest, IDriveStat } from './tokens';

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
 * They are read as base64, which is exact for every file, notebooks included, and written so to a Jupyter server. A store
 * that keeps the format it was given (a site's) gets text as text.
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
      throw driveError(request, reason, this._keepText && this._contents.driveName(request.path) !== '');
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
      format: 'base64'
    });
    return fromBase64(model.content as string);
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
    await this._contents.save(path, { type: 'directory' });
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

/**
 * @param foreign whether another extension keeps the file, whose errors may have no HTTP status
 */
function driveError(request: DriveRequest, reason: unknown, foreign: boolean): DriveError {
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
  const absent = foreign && status === null && !(reason instanceof ServerConnection.NetworkError);
  code ??= absent && ['stat', 'read', 'list'].includes(request.method) ? 'ENOENT' : 'EIO';
  return new DriveError(code, `${request.method} ${request.path}: ${message}`);
}
