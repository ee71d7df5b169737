import type { IEmscriptenFSNode, IEmscriptenStream, IStats } from '@jupyterlite/services/lib/contents/emscripten';
import { DIR_MODE, FILE_MODE, SEEK_CUR, SEEK_END } from '@jupyterlite/services/lib/contents/emscripten';

import { AnswerError } from '../transport/answers';

import { BLOCK_SIZE, OpenFile } from './openfile';
import { RangedFile } from './rangedfile';

import type { DriveRequest, IDriveStat, IRangedFile } from './tokens';

const O_ACCMODE = 3;
const O_CREAT = 64;

/** Bytes from which on a file that is only read is not held whole. */
const LARGE = 8 * 1024 * 1024;

/** Python's names for code that is in no file, `<string>`: tracebacks look for each of them in the folder. */
const PSEUDO_FILE = /^<[^/]*>$/;

/** The part of Emscripten's FS that a file system needs. */
export interface IFileSystem {
  isFile(mode: number): boolean;
  isDir(mode: number): boolean;
  createNode(parent: IEmscriptenFSNode | null, name: string, mode: number, dev: number): IEmscriptenFSNode;
  ErrnoError: new (errno: number) => Error;
  mkdirTree(path: string): void;
  mount(type: Drive, options: object, mountpoint: string): void;
  chdir(path: string): void;
}

/** Blocks until the page has answered. Throws AnswerError. */
export type AskDrive = (request: DriveRequest) => unknown;

/**
 * An Emscripten file system over the files that JupyterLab shows.
 *
 * A file is fetched when it is opened, and stored when it is closed or synced after a change.
 */
export class Drive {
  constructor(
    private readonly _fs: IFileSystem,
    private readonly _errno: Record<string, number>,
    private readonly _ask: AskDrive
  ) {}

  /** Called by `FS.mount`. */
  mount(_mount: unknown): IEmscriptenFSNode {
    return this._node(null, '/', DIR_MODE);
  }

  readonly node_ops = {
    getattr: (node: IEmscriptenFSNode): IStats => {
      const stat = this._stat(this._path(node));
      // What was a file may have become a folder on the server since it was looked up.
      node.mode = stat.directory ? DIR_MODE : FILE_MODE;
      const size = this._open.get(this._path(node))?.length ?? stat.size;
      this._large(node, stat);
      return {
        dev: 1,
        ino: node.id,
        mode: node.mode,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        size,
        blksize: BLOCK_SIZE,
        blocks: Math.ceil(size / BLOCK_SIZE),
        atime: new Date(stat.modified),
        mtime: new Date(stat.modified),
        ctime: new Date(stat.created)
      };
    },

    setattr: (node: IEmscriptenFSNode, attr: { mode?: number; size?: number }): void => {
      // Times and permissions are the server's: setting them is accepted and has no effect.
      if (attr.size === undefined) {
        return;
      }
      const path = this._path(node);
      const open = this._open.get(path);
      if (open) {
        open.resize(attr.size);
        open.dirty = true;
        return;
      }
      const file = new OpenFile(attr.size === 0 ? new Uint8Array() : this._read(path));
      file.resize(attr.size);
      this._call({ method: 'write', path, data: file.bytes });
    },

    lookup: (parent: IEmscriptenFSNode, name: string): IEmscriptenFSNode => {
      if (PSEUDO_FILE.test(name)) {
        throw this._error('ENOENT');
      }
      const stat = this._stat(this._join(parent, name));
      const node = this._node(parent, name, stat.directory ? DIR_MODE : FILE_MODE);
      this._large(node, stat);
      return node;
    },

    mknod: (parent: IEmscriptenFSNode, name: string, mode: number): IEmscriptenFSNode => {
      const directory = this._fs.isDir(mode);
      if (!directory && !this._fs.isFile(mode)) {
        throw this._error('EPERM');
      }
      this._call({ method: 'create', path: this._join(parent, name), directory });
      return this._node(parent, name, directory ? DIR_MODE : FILE_MODE);
    },

    rename: (node: IEmscriptenFSNode, parent: IEmscriptenFSNode, name: string): void => {
      const path = this._path(node);
      const newPath = this._join(parent, name);
      this._call({ method: 'rename', path, newPath });
      const open = this._open.get(path);
      if (open) {
        this._open.delete(path);
        this._open.set(newPath, open);
      }
      node.name = name;
      node.parent = parent;
    },

    unlink: (parent: IEmscriptenFSNode, name: string): void => {
      this._call({ method: 'delete', path: this._join(parent, name) });
    },

    rmdir: (parent: IEmscriptenFSNode, name: string): void => {
      const path = this._join(parent, name);
      // A server that moves what it deletes to a trash takes folders with everything in them.
      if ((this._call({ method: 'list', path }) as string[]).length > 0) {
        throw this._error('ENOTEMPTY');
      }
      this._call({ method: 'delete', path });
    },

    readdir: (node: IEmscriptenFSNode): string[] => {
      const names = this._call({ method: 'list', path: this._path(node) }) as string[];
      return ['.', '..', ...names];
    },

    symlink: (): never => {
      throw this._error('EPERM');
    },

    readlink: (): never => {
      throw this._error('EINVAL');
    }
  };

  readonly stream_ops = {
    open: (stream: IEmscriptenStream): void => {
      if (!this._fs.isFile(stream.node.mode)) {
        return;
      }
      const path = this._path(stream.node);
      let file = this._open.get(path);
      if (!file) {
        const flags = flagsOf(stream);
        const large = (flags & O_ACCMODE) === 0 && this._largeNodes.has(stream.node);
        file = (large ? this._ranged(path) : null) ?? this._fetch(path, flags);
        this._open.set(path, file);
      }
      file.streams++;
    },

    close: (stream: IEmscriptenStream): void => {
      const path = this._path(stream.node);
      const file = this._open.get(path);
      if (!file) {
        return;
      }
      file.streams--;
      try {
        this._flush(path, file);
      } finally {
        if (file.streams <= 0) {
          this._open.delete(path);
        }
      }
    },

    fsync: (stream: IEmscriptenStream): void => {
      const path = this._path(stream.node);
      const file = this._open.get(path);
      if (file) {
        this._flush(path, file);
      }
    },

    read: (stream: IEmscriptenStream, buffer: Uint8Array, offset: number, length: number, position: number): number => {
      return this._file(stream).read(buffer.subarray(offset, offset + length), position);
    },

    write: (
      stream: IEmscriptenStream,
      buffer: Uint8Array,
      offset: number,
      length: number,
      position: number
    ): number => {
      if ((flagsOf(stream) & O_ACCMODE) === 0) {
        throw this._error('EBADF');
      }
      this._file(stream).write(buffer.subarray(offset, offset + length), position);
      return length;
    },

    llseek: (stream: IEmscriptenStream, offset: number, whence: number): number => {
      let position = offset;
      if (whence === SEEK_CUR) {
        position += stream.position ?? stream.shared.position;
      } else if (whence === SEEK_END && this._fs.isFile(stream.node.mode)) {
        position += this._file(stream).length;
      }
      if (position < 0) {
        throw this._error('EINVAL');
      }
      return position;
    }
  };

  private _file(stream: IEmscriptenStream): OpenFile {
    const file = this._open.get(this._path(stream.node));
    if (!file) {
      throw this._error('EBADF');
    }
    return file;
  }

  /** A file's content; a file that was deleted elsewhere is created again if the flags say so. */
  private _fetch(path: string, flags: number): OpenFile {
    try {
      return new OpenFile(this._read(path));
    } catch (reason) {
      if ((flags & O_CREAT) === 0 || (reason as { errno?: number }).errno !== this._errno['ENOENT']) {
        throw reason;
      }
      const file = new OpenFile(new Uint8Array());
      file.dirty = true;
      return file;
    }
  }

  /** A large file whose server sends parts of it, else null. */
  private _ranged(path: string): OpenFile | null {
    const file = this._call({ method: 'findRanges', path }) as IRangedFile | null;
    if (file === null || file.size < LARGE) {
      return null;
    }
    const read = (start: number, end: number): Uint8Array =>
      this._call({ method: 'readRange', path, file, start, end }) as Uint8Array;
    return new OpenFile(new RangedFile(file.size, read));
  }

  /** Remember whether a file was large when it was last looked at. */
  private _large(node: IEmscriptenFSNode, stat: IDriveStat): void {
    if (!stat.directory && stat.size >= LARGE) {
      this._largeNodes.add(node);
    } else {
      this._largeNodes.delete(node);
    }
  }

  private _flush(path: string, file: OpenFile): void {
    if (file.dirty) {
      this._call({ method: 'write', path, data: file.bytes });
      file.dirty = false;
    }
  }

  private _stat(path: string): IDriveStat {
    return this._call({ method: 'stat', path }) as IDriveStat;
  }

  private _read(path: string): Uint8Array {
    return this._call({ method: 'read', path }) as Uint8Array;
  }

  private _call(request: DriveRequest): unknown {
    try {
      return this._ask(request);
    } catch (reason) {
      throw reason instanceof AnswerError ? this._error(reason.code ?? 'EIO') : reason;
    }
  }

  private _error(code: string): Error {
    return new this._fs.ErrnoError(this._errno[code] ?? this._errno['EIO']);
  }

  private _node(parent: IEmscriptenFSNode | null, name: string, mode: number): IEmscriptenFSNode {
    const node = this._fs.createNode(parent, name, mode, 0);
    Object.assign(node, { node_ops: this.node_ops, stream_ops: this.stream_ops });
    return node;
  }

  /** The contents path of a node: relative to the root that JupyterLab shows. */
  private _path(node: IEmscriptenFSNode): string {
    const parts: string[] = [];
    for (let at = node; at.parent !== at; at = at.parent) {
      parts.unshift(at.name);
    }
    return parts.join('/');
  }

  private _join(parent: IEmscriptenFSNode, name: string): string {
    const folder = this._path(parent);
    return folder ? `${folder}/${name}` : name;
  }

  private readonly _open = new Map<string, OpenFile>();
  private readonly _largeNodes = new WeakSet<IEmscriptenFSNode>();
}

function flagsOf(stream: IEmscriptenStream): number {
  return stream.flags ?? stream.shared.flags;
}
