import { release } from './release';

/** Bytes that are asked for at once. */
const BLOCK = 2 * 1024 * 1024;

/** Reads `[start, end)` of a file. */
export type ReadRange = (start: number, end: number) => Uint8Array;

/**
 * A large file of which only the block in use is held.
 *
 * An archive that is sent to Spark is read once from its start to its end: whole it would be in memory beside what is sent.
 */
export class RangedFile {
  constructor(
    readonly length: number,
    private readonly _readRange: ReadRange
  ) {}

  /** Copy bytes from `position` on into `target`; returns how many, fewer than it takes only at the end of the file. */
  read(target: Uint8Array, position: number): number {
    const end = Math.min(position + target.length, this.length);
    let at = position;
    while (at < end) {
      const block = this._blockAt(at);
      const piece = block.subarray(at - this._start, Math.min(end - this._start, block.length));
      target.set(piece, at - position);
      at += piece.length;
    }
    return Math.max(at - position, 0);
  }

  private _blockAt(position: number): Uint8Array {
    const start = position - (position % BLOCK);
    if (this._block === null || this._start !== start) {
      if (this._block !== null) {
        release(this._block);
        this._block = null;
      }
      this._block = this._readRange(start, Math.min(start + BLOCK, this.length));
      this._start = start;
    }
    return this._block;
  }

  private _block: Uint8Array | null = null;
  private _start = 0;
}
