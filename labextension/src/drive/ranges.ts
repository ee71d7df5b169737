import type { Contents } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';

import type { IRangedFile } from './tokens';

/** A file is no longer the one that was opened, or its server no longer sends parts. */
export class FileChanged extends Error {}

const TOTAL = /^bytes (\d+)-(\d+)\/(\d+)$/;

/**
 * How a Jupyter server sends a file's bytes as they are, in parts (RFC 9110, section 14).
 *
 * For one kernel, which asks for a part when it has taken the one before: all parts are read into one buffer. A buffer for
 * each would stay until the garbage collector runs, by then the whole file.
 */
export class FileRanges {
  constructor(private readonly _contents: Contents.IManager) {}

  /** The file, or null where its server sends it only whole. */
  async find(path: string): Promise<IRangedFile | null> {
    const part = await this._fetch(path, 0, 1);
    return part === null ? null : { size: part.size, modified: part.modified };
  }

  /**
   * Bytes `[start, end)`; valid until the next call.
   *
   * @throws FileChanged if the file is not `file` any more
   */
  async read(path: string, file: IRangedFile, start: number, end: number): Promise<Uint8Array> {
    const part = await this._fetch(path, start, end);
    if (part?.size !== file.size || part.modified !== file.modified || part.bytes.length !== end - start) {
      throw new FileChanged(`${path} was changed while it was read`);
    }
    return part.bytes;
  }

  /** At most `length` bytes of the body. */
  private async _bytesOf(response: Response, length: number): Promise<Uint8Array> {
    const reader = byobReader(response);
    if (reader === null) {
      return new Uint8Array(await response.arrayBuffer());
    }
    let buffer = this._buffer !== null && this._buffer.byteLength >= length ? this._buffer : new ArrayBuffer(length);
    this._buffer = null;
    let filled = 0;
    while (filled < length) {
      const piece = await reader.read(new Uint8Array(buffer, filled, length - filled));
      buffer = piece.value?.buffer ?? buffer;
      if (piece.done) {
        break;
      }
      filled += piece.value.length;
    }
    await reader.cancel();
    this._buffer = buffer;
    return new Uint8Array(buffer, 0, filled);
  }

  private async _fetch(
    path: string,
    start: number,
    end: number
  ): Promise<(IRangedFile & { bytes: Uint8Array }) | null> {
    const url = await this._contents.getDownloadUrl(path);
    const headers = { Range: `bytes=${start}-${end - 1}` };
    const settings = this._contents.serverSettings ?? ServerConnection.makeSettings();
    const response = await ServerConnection.makeRequest(url, { headers }, settings);
    const range = TOTAL.exec(response.headers.get('Content-Range') ?? '');
    const modified = response.headers.get('Last-Modified');
    if (response.status !== 206 || range === null || modified === null || Number(range[1]) !== start) {
      await response.body?.cancel();
      return null;
    }
    return { size: Number(range[3]), modified, bytes: await this._bytesOf(response, end - start) };
  }

  private _buffer: ArrayBuffer | null = null;
}

/** Null where a body is no byte stream (Streams Standard, section 4.2.4). */
function byobReader(response: Response): ReadableStreamBYOBReader | null {
  try {
    return response.body?.getReader({ mode: 'byob' }) ?? null;
  } catch (reason) {
    if (reason instanceof TypeError) {
      return null;
    }
    throw reason;
  }
}
