import { RangedFile } from './rangedfile';

/** Bytes that an allocation is rounded to, and what `st_blksize` says. */
export const BLOCK_SIZE = 4096;

/** An open file: shared by all streams that have it open, so that they see one content. */
export class OpenFile {
  constructor(source: Uint8Array | RangedFile) {
    this._source = source;
    this.length = source.length;
  }

  length: number;
  dirty = false;
  streams = 0;

  get bytes(): Uint8Array {
    return this._whole().subarray(0, this.length);
  }

  read(target: Uint8Array, position: number): number {
    if (this._source instanceof RangedFile) {
      return this._source.read(target, position);
    }
    const bytes = this.bytes.subarray(position, position + target.length);
    target.set(bytes);
    return bytes.length;
  }

  resize(length: number): void {
    const data = length === 0 ? new Uint8Array() : this._whole();
    if (length > data.length) {
      // Doubling keeps a file that is written in pieces linear.
      const grown = new Uint8Array(Math.max(length, data.length * 2, BLOCK_SIZE));
      grown.set(this.bytes);
      this._source = grown;
    } else {
      data.fill(0, length, this.length);
      this._source = data;
    }
    this.length = length;
  }

  write(source: Uint8Array, position: number): void {
    if (position + source.length > this.length) {
      this.resize(position + source.length);
    }
    this._whole().set(source, position);
    this.dirty = true;
  }

  /** All bytes: who writes needs them. */
  private _whole(): Uint8Array {
    if (this._source instanceof RangedFile) {
      const data = new Uint8Array(this._source.length);
      this._source.read(data, 0);
      this._source = data;
    }
    return this._source;
  }

  private _source: Uint8Array | RangedFile;
}
