import { Dialog, showDialog } from '@jupyterlab/apputils';

import { Widget } from '@lumino/widgets';

import type { ISiteConfig } from '../page/config';
import { ASK, SAME_ORIGIN } from '../page/config';

/**
 * Where a site's kernels find Spark: the address that is built in or asked for, and a token that is asked for.
 *
 * The address is remembered in this browser, the token in this tab only; neither is part of the site.
 */
export class SiteConnection {
  constructor(private readonly _site: ISiteConfig) {}

  /**
   * The connection string for a new kernel; asks if something is missing that has not been asked for in this tab.
   *
   * @returns null if the site's own server is meant, or nothing was given
   */
  async forKernel(): Promise<string | null> {
    if (this._site.endpoint === SAME_ORIGIN) {
      return null;
    }
    this._asking ??= this._stored() ?? this.ask();
    try {
      return await this._asking;
    } finally {
      this._asking = null;
    }
  }

  /** Ask for address and token. */
  async ask(): Promise<string | null> {
    const form = new ConnectionForm(this._address());
    const result = await showDialog({
      title: 'Where is Spark?',
      body: form,
      buttons: [Dialog.cancelButton({ label: 'Without Spark' }), Dialog.okButton({ label: 'Connect' })],
      focusNodeSelector: 'input'
    });
    const given = result.button.accept ? result.value : null;
    this._remember(given?.address ?? '', given?.token ?? '');
    return given?.address ? connectionString(given.address, given.token) : null;
  }

  private _address(): string {
    return localStorage.getItem(this._key('endpoint')) ?? (this._site.endpoint === ASK ? '' : this._site.endpoint);
  }

  private _stored(): Promise<string | null> | null {
    const text = sessionStorage.getItem(this._key('connection'));
    if (text === null) {
      return null;
    }
    const { address, token } = JSON.parse(text) as IGiven;
    return Promise.resolve(address ? connectionString(address, token) : null);
  }

  private _remember(address: string, token: string): void {
    sessionStorage.setItem(this._key('connection'), JSON.stringify({ address, token }));
    if (address) {
      localStorage.setItem(this._key('endpoint'), address);
    }
  }

  /** Several sites may share an origin. */
  private _key(name: string): string {
    return `pcw:${name}:${this._site.root}`;
  }

  private _asking: Promise<string | null> | null = null;
}

interface IGiven {
  address: string;
  token: string;
}

/** A connection string for PySpark; a semicolon or a percent sign in the token must not end it. */
export function connectionString(address: string, token: string): string {
  return token ? `${address};token=${encodeURIComponent(token)}` : address;
}

/** What is wrong with an address, or null. */
export function addressProblem(address: string, page: string): string | null {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return 'Write an address such as https://host/user/name/pcw/grpc/default';
  }
  if (!['http:', 'https:'].includes(url.protocol)) {
    return 'The address must start with https:// (or http://)';
  }
  if (url.username || url.password || url.search || url.hash || address.includes(';')) {
    return 'Write the address alone; the token has a field of its own';
  }
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol === 'http:' && page.startsWith('https:') && !local) {
    return 'This page came by https, and browsers let it call no plain http address';
  }
  return null;
}

class ConnectionForm extends Widget implements Dialog.IBodyWidget<IGiven> {
  constructor(address: string) {
    super({ node: document.createElement('div') });
    const [addressLabel, addressInput] = field('Address of the grpc-web endpoint', 'url', address);
    const [tokenLabel, tokenInput] = field('Token, if it wants one', 'password', '');
    addressInput.placeholder = 'https://host/user/name/pcw/grpc/default';
    tokenInput.autocomplete = 'off';
    const hint = document.createElement('div');
    hint.className = 'pcw-ConnectionForm-hint';
    hint.setAttribute('role', 'status');
    const check = (): void => {
      const value = addressInput.value.trim();
      hint.textContent = value ? (addressProblem(value, location.href) ?? '') : '';
    };
    addressInput.addEventListener('input', check);
    check();
    const note = document.createElement('p');
    note.textContent = 'The address is remembered in this browser, the token until this tab is closed.';
    this.node.append(addressLabel, tokenLabel, hint, note);
    this._address = addressInput;
    this._token = tokenInput;
  }

  getValue(): IGiven {
    const address = this._address.value.trim().replace(/\/+$/, '');
    return addressProblem(address, location.href)
      ? { address: '', token: '' }
      : { address, token: this._token.value.trim() };
  }

  private readonly _address: HTMLInputElement;
  private readonly _token: HTMLInputElement;
}

function field(text: string, type: string, value: string): [HTMLLabelElement, HTMLInputElement] {
  const label = document.createElement('label');
  label.textContent = text;
  label.style.display = 'block';
  const input = document.createElement('input');
  input.type = type;
  input.value = value;
  input.className = 'jp-mod-styled';
  input.style.width = '30em';
  input.style.display = 'block';
  label.append(input);
  return [label, input];
}
