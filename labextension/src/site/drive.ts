import { PageConfig, PathExt, URLExt } from '@jupyterlab/coreutils';

import type { Contents } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';

import { BrowserStorageDrive } from '@jupyterlite/services';

import type { Signal } from '@lumino/signaling';

import type localforage from 'localforage';

import { fromBase64, toBase64 } from '../drive/base64';
import { decodeStrictly } from '../drive/text';

type IModel = Contents.IModel;

/** What a site lists of its own files, in each folder below `api/contents/`. */
const LISTING = 'all.json';

/**
 * The files of a site, byte for byte: those that it was built with and those that its visitor made, in one tree.
 *
 * JupyterLite's own drive reads a site's file as the text or the JSON that its name suggests, which changes what is
 * neither, and takes paths for percent-encoded ones. Here a file is bytes, and becomes text or JSON only for who asks for
 * that; what is no such text is refused. What the visitor changed is kept by the browser, as JupyterLite keeps it, and stands
 * before the site's file of the same path; which of the site's files the visitor removed is kept too.
 */
export class SiteDrive extends BrowserStorageDrive {
  constructor(options: BrowserStorageDrive.IOptions) {
    super(options);
    this._forage = options.localforage;
  }

  override async get(path: string, options?: Contents.IFetchOptions): Promise<IModel> {
    if (this.contentProviderRegistry.getProvider(options?.contentProviderId)) {
      return super.get(path, options);
    }
    path = PathExt.removeSlash(path);
    const kept = path === '' ? null : await (await this.storage).getItem<IModel>(path);
    const model = kept ?? (await this._given(path));
    if (!model) {
      throw refusal(404, `There is no ${path}`);
    }
    if (options?.type && (options.type === 'directory') !== (model.type === 'directory')) {
      throw refusal(400, `${path} is ${model.type === 'directory' ? 'a folder, no file' : 'no folder'}`);
    }
    if (!options?.content) {
      return { ...model, size: model.size ?? 0, content: null, format: options?.format ?? model.format };
    }
    if (model.type === 'directory') {
      return { ...model, content: await this._children(path), format: 'json', size: 0 };
    }
    const format = options.format ?? (kept ? kept.format : null);
    if (kept && format === kept.format) {
      return kept;
    }
    const bytes = kept ? bytesOf(kept) : await this._bytes(path);
    const wanted = format ?? (options.type !== 'file' && model.type === 'notebook' ? 'json' : formatOf(bytes));
    return { ...model, size: bytes.length, format: wanted, content: contentOf(path, bytes, wanted) };
  }

  override async getDownloadUrl(path: string): Promise<string> {
    path = PathExt.removeSlash(path);
    const kept = await (await this.storage).getItem<IModel>(path);
    if (kept) {
      return URL.createObjectURL(new Blob([new Uint8Array(bytesOf(kept))], { type: kept.mimetype }));
    }
    return addressOf(path);
  }

  override async newUntitled(options: Contents.ICreateOptions = {}): Promise<IModel> {
    const type = options.type ?? 'notebook';
    const ext = options.ext ? `.${options.ext.replace(/^\./, '')}` : '';
    const nameOf = (count: number): string =>
      type === 'directory'
        ? `Untitled Folder${count || ''}`
        : type === 'notebook'
          ? `Untitled${count || ''}.ipynb`
          : `untitled${count || ''}${ext}`;
    // JupyterLite's counter knows nothing of the site's own files, nor of uploaded ones.
    const counters = await this.counters;
    let count = ((await counters.getItem<number>(type)) ?? -1) + 1;
    while (await this._exists(PathExt.join(options.path ?? '', nameOf(count)))) {
      count++;
    }
    await counters.setItem(type, count - 1);
    return super.newUntitled({ ...options, path: options.path ?? '' });
  }

  override async save(path: string, options: Partial<IModel> = {}): Promise<IModel> {
    if (options.type !== 'directory') {
      return super.save(encoded(path), options);
    }
    await this._needFolder(PathExt.dirname(path));
    if (await this._exists(path)) {
      throw refusal(409, `There is a ${path} already`);
    }
    return this._keep('save', folderModel(path, new Date().toISOString()));
  }

  override async rename(path: string, newPath: string): Promise<IModel> {
    await this._needFolder(PathExt.dirname(newPath));
    if (path === newPath) {
      return this.get(path);
    }
    if (newPath.startsWith(`${path}/`)) {
      throw refusal(400, `${path} cannot be moved into itself`);
    }
    if (await this._exists(newPath)) {
      throw refusal(409, `There is a ${newPath} already`);
    }
    const moved = await this._move(path, newPath);
    this._tell({ type: 'rename', oldValue: { path }, newValue: moved });
    return moved;
  }

  override async copy(path: string, folder: string): Promise<IModel> {
    await this._needFolder(folder);
    const name = PathExt.basename(path);
    const ext = PathExt.extname(name);
    let copied = name;
    while (await this._exists(PathExt.join(folder, copied))) {
      copied = `${copied.slice(0, copied.length - ext.length)} (copy)${ext}`;
    }
    const target = PathExt.join(folder, copied);
    return this._keep('new', { ...(await this._whole(path)), name: copied, path: target });
  }

  /** Delete a file or a folder with all in it. Gone for this visitor is a site's own file too. */
  override async delete(path: string): Promise<void> {
    path = PathExt.removeSlash(path);
    if (await this._given(path)) {
      await this._removed.setItem(path, true);
    }
    await super.delete(encoded(path));
  }

  override async createCheckpoint(path: string): Promise<Contents.ICheckpointModel> {
    return super.createCheckpoint(encoded(path));
  }

  override async restoreCheckpoint(path: string, id: string): Promise<void> {
    return super.restoreCheckpoint(encoded(path), id);
  }

  override async deleteCheckpoint(path: string, id: string): Promise<void> {
    return super.deleteCheckpoint(encoded(path), id);
  }

  override async clearStorage(): Promise<void> {
    await Promise.all([super.clearStorage(), this._removed.clear()]);
  }

  /** The site's own file or folder of a path, without content; null where it has none, or its visitor removed it. */
  private async _given(path: string): Promise<IModel | null> {
    if (path === '') {
      return folderModel('', new Date(0).toISOString());
    }
    const removed = await this._removed.keys();
    if (removed.some(gone => path === gone || path.startsWith(`${gone}/`))) {
      return null;
    }
    return (await this._listing(PathExt.dirname(path))).get(PathExt.basename(path)) ?? null;
  }

  /** Everything right in a folder, without content, by name. */
  private async _children(folder: string): Promise<IModel[]> {
    const children = new Map<string, IModel>();
    if (await this._given(folder)) {
      for (const name of (await this._listing(folder)).keys()) {
        const model = await this._given(PathExt.join(folder, name));
        if (model) {
          children.set(name, model);
        }
      }
    }
    const storage = await this.storage;
    const before = folder === '' ? '' : `${folder}/`;
    for (const key of await storage.keys()) {
      if (key.startsWith(before) && key.length > before.length && !key.includes('/', before.length)) {
        const model = await storage.getItem<IModel>(key);
        if (model) {
          children.set(model.name, { ...model, content: null });
        }
      }
    }
    return [...children.values()];
  }

  /** What the site lists of its own files in one of its own folders, by name. */
  private async _listing(folder: string): Promise<Map<string, IModel>> {
    const known = this._listings.get(folder);
    if (known) {
      return known;
    }
    const parent = folder === '' ? null : await this._listing(PathExt.dirname(folder));
    const found = new Map<string, IModel>();
    if (
      PageConfig.getOption('contentsAllJsonFile') &&
      (!parent || parent.get(PathExt.basename(folder))?.type === 'directory')
    ) {
      const address = URLExt.join(PageConfig.getBaseUrl(), 'api/contents', URLExt.encodeParts(folder), LISTING);
      const response = await request(address);
      try {
        const listing = (await response.json()) as { content: IModel[] };
        for (const model of listing.content) {
          found.set(model.name, model);
        }
      } catch (reason) {
        throw refusal(
          502,
          `${address} is no list of the site's files (${String(reason)}). Deploy the whole site, and reload the page.`
        );
      }
    }
    // Only what was read: after a failure the next question may have more luck.
    this._listings.set(folder, found);
    return found;
  }

  private async _bytes(path: string): Promise<Uint8Array> {
    return new Uint8Array(await (await request(addressOf(path))).arrayBuffer());
  }

  private async _exists(path: string): Promise<boolean> {
    return (await (await this.storage).getItem(path)) !== null || (await this._given(path)) !== null;
  }

  private async _needFolder(path: string): Promise<void> {
    if (path !== '' && (await this.get(path)).type !== 'directory') {
      throw refusal(400, `${path} is no folder`);
    }
  }

  /** A file with all its bytes, as the browser keeps it; a folder without what is in it. */
  private async _whole(path: string): Promise<IModel> {
    const kept = await (await this.storage).getItem<IModel>(path);
    const model = kept ?? (await this._given(path));
    if (!model) {
      throw refusal(404, `There is no ${path}`);
    }
    if (kept || model.type === 'directory') {
      return model;
    }
    const bytes = await this._bytes(path);
    const format = formatOf(bytes);
    return { ...model, format, content: contentOf(path, bytes, format), size: bytes.length };
  }

  private async _move(path: string, newPath: string): Promise<IModel> {
    const model = await this._whole(path);
    const moved = { ...model, name: PathExt.basename(newPath), path: newPath, last_modified: new Date().toISOString() };
    const storage = await this.storage;
    await storage.setItem(newPath, moved);
    if (model.type === 'directory') {
      for (const { name } of await this._children(path)) {
        await this._move(PathExt.join(path, name), PathExt.join(newPath, name));
      }
    }
    if (await this._given(path)) {
      await this._removed.setItem(path, true);
    }
    await this.forgetPath(path);
    return moved;
  }

  private async _keep(type: 'new' | 'save', model: IModel): Promise<IModel> {
    await (await this.storage).setItem(model.path, model);
    this._tell({ type, oldValue: null, newValue: model });
    return model;
  }

  private _tell(change: Contents.IChangedArgs): void {
    // The class that it is of lets only itself emit it.
    (this.fileChanged as Signal<Contents.IDrive, Contents.IChangedArgs>).emit(change);
  }

  /** Paths of the site's own files that the visitor removed, with all below them. */
  private get _removed(): LocalForage {
    this._removedStore ??= this._forage.createInstance({
      ...this.defaultStorageOptions,
      description: "Paths of the site's files that were removed",
      storeName: 'pcw-removed'
    });
    return this._removedStore;
  }

  private readonly _forage: typeof localforage;
  private readonly _listings = new Map<string, Map<string, IModel>>();
  private _removedStore: LocalForage | null = null;
}

/** A path as JupyterLite's methods want it, which decode it. */
function encoded(path: string): string {
  return path.replaceAll('%', '%25');
}

function addressOf(path: string): string {
  return URLExt.join(PageConfig.getBaseUrl(), 'files', URLExt.encodeParts(path));
}

/** @throws ResponseError, or NetworkError where there was no answer */
async function request(address: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address);
  } catch (reason) {
    throw new ServerConnection.NetworkError(reason as TypeError);
  }
  if (!response.ok) {
    throw refusal(
      502,
      `The host answers ${response.status} to ${address}, which the site lists. Deploy the whole site, and reload the page.`
    );
  }
  return response;
}

function refusal(status: number, message: string): ServerConnection.ResponseError {
  return new ServerConnection.ResponseError(new Response(null, { status }), message);
}

function folderModel(path: string, time: string): IModel {
  return {
    name: PathExt.basename(path),
    path,
    created: time,
    last_modified: time,
    format: 'json',
    mimetype: '',
    content: null,
    size: 0,
    writable: true,
    type: 'directory'
  };
}

/** The bytes of a file that the browser keeps. */
function bytesOf({ content, format }: IModel): Uint8Array {
  if (format === 'base64') {
    return fromBase64((content as string | null) ?? '');
  }
  const text = typeof content === 'string' ? content : content === null ? '' : JSON.stringify(content);
  return new TextEncoder().encode(text);
}

/** The format that keeps every byte: text where it is UTF-8, as editors read it. */
function formatOf(bytes: Uint8Array): Contents.FileFormat {
  return decodeStrictly(bytes) === null ? 'base64' : 'text';
}

function contentOf(path: string, bytes: Uint8Array, format: Contents.FileFormat): unknown {
  if (format === 'base64') {
    return toBase64(bytes);
  }
  const text = decodeStrictly(bytes);
  if (text === null) {
    throw refusal(
      400,
      `${path} is not UTF-8 encoded: as text it would be damaged. A kernel reads it with open(..., encoding=...).`
    );
  }
  if (format !== 'json') {
    return text;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (reason) {
    throw refusal(400, `${path} is not JSON: ${(reason as Error).message}`);
  }
}
