/** The text if these bytes are UTF-8 to the last, else null. */
export function decodeStrictly(data: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    // Not a fault: it is a binary file.
    return null;
  }
}
