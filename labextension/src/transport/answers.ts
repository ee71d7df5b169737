/** How the page answers a question for which Python waits: in shared memory, and which errors it may answer with. */

/** What a question is answered with: bytes as they are, anything else as JSON. */
export type Answer = Uint8Array | string | number | boolean | null | object;

/** The page refused a question; `code` is an errno name where it has one. */
export class AnswerError extends Error {
  constructor(
    name: string,
    message: string,
    readonly code: string | null
  ) {
    super(message);
    this.name = name;
  }
}

/** Words at the beginning of an answer buffer; the payload follows at `ANSWER_HEADER` bytes. */
export const enum AnswerWord {
  State = 0,
  Kind = 1,
  Length = 2
}

export const enum AnswerState {
  Pending = 0,
  /** Kind, length and payload are there. */
  Given = 1,
  /** Kind and length are there; the payload needs a larger buffer. */
  TooLong = 2
}

export const enum AnswerKind {
  Json = 0,
  Bytes = 1,
  Error = 2
}

export const ANSWER_HEADER = 16;
