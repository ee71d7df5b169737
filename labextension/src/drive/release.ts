/** An ArrayBuffer that can be cut (ECMAScript 2024). */
interface ITransferable {
  transfer?(length: number): ArrayBuffer;
}

/**
 * Give back the memory of bytes that nobody will read again.
 *
 * The garbage collector would, but late: a file that is read in parts would be in memory whole by then.
 */
export function release(bytes: Uint8Array): void {
  if (bytes.buffer instanceof ArrayBuffer) {
    (bytes.buffer as ITransferable).transfer?.(0);
  }
}
