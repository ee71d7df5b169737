import { Token } from '@lumino/coreutils';

/** What of this page is activity of its Jupyter server, for those who shut idle servers down. */
export interface IPageActivity {
  /** A kernel of this page works from now on; each call is followed by one of `ended`. */
  began(): void;
  ended(): void;
}

export const IPageActivity = new Token<IPageActivity>('pcw-server-ext:IPageActivity');
