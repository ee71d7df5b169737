interface IBase64Bytes {
  toBase64?(): string;
}

interface IBase64Factory {
  fromBase64?(text: string): Uint8Array;
}

/** Bytes per piece of the fallback: `String.fromCharCode` takes its bytes as arguments. */
const PIECE = 0x8000;

export function toBase64(data: Uint8Array): string {
  const native = data as Uint8Array & IBase64Bytes;
  if (native.toBase64) {
    return native.toBase64();
  }
  let binary = '';
  for (let at = 0; at < data.length; at += PIECE) {
    binary += String.fromCharCode(...data.subarray(at, at + PIECE));
  }
  return btoa(binary);
}

export function fromBase64(text: string): Uint8Array {
  const native = Uint8Array as unknown as IBase64Factory;
  if (native.fromBase64) {
    return native.fromBase64(text);
  }
  const binary = atob(text);
  const data = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) {
    data[at] = binary.charCodeAt(at);
  }
  return data;
}
