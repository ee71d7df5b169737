/**
 * Shows the files of packs in Pyodide's file system without reading them: a directory's nodes are made when it is first looked
 * into, a pack is read when a file in it is first opened.
 *
 * @typedef {{ [name: string]: Tree | [pack: number, offset: number, size: number] }} Tree
 * @typedef {{ format: 1, site: string, packs: string[], tree: Tree }} SiteIndex
 */

const DIRECTORY = 0o040755;
const FILE = 0o100644;

/** Every file has this time: packs hold none, and the import system compares only for equality. */
const TIME = Date.UTC(2020, 0, 1);

/** Emscripten's number for EIO. */
const EIO = 29;

/**
 * @param {any} FS Emscripten's file system
 * @param {SiteIndex} index
 * @param {(path: string) => Uint8Array} readPack gives a pack's bytes; called at most once a pack and only when needed
 */
export function mountSite(FS, index, readPack) {
  /** @type {Map<number, Uint8Array>} */
  const packs = new Map();

  /** @param {number} number */
  function pack(number) {
    let bytes = packs.get(number);
    if (!bytes) {
      try {
        bytes = readPack(index.packs[number]);
      } catch (error) {
        console.error(`The package files in ${index.packs[number]} could not be read: ${error}`);
        throw new FS.ErrnoError(EIO);
      }
      packs.set(number, bytes);
    }
    return bytes;
  }

  FS.mkdirTree(index.site);
  const { node: root } = FS.lookupPath(index.site);
  const base = root.node_ops;
  const lazy = {
    ...base,
    /** @param {any} parent @param {string} name */
    lookup(parent, name) {
      return parent.packed.has(name) ? unfold(parent, name) : base.lookup(parent, name);
    },
    /** @param {any} node */
    readdir(node) {
      unfoldAll(node);
      return base.readdir(node);
    },
    /** @param {any} parent @param {string} name */
    rmdir(parent, name) {
      // The check for emptiness looks at nodes that exist.
      unfoldAll(FS.lookupNode(parent, name));
      return base.rmdir(parent, name);
    },
  };

  /** @param {any} node @param {Tree} tree */
  function fold(node, tree) {
    node.node_ops = lazy;
    node.packed = new Map(Object.entries(tree));
  }

  /** @param {any} parent @param {string} name */
  function unfold(parent, name) {
    const entry = parent.packed.get(name);
    parent.packed.delete(name);
    const { atime, mtime, ctime } = parent;
    const place = Array.isArray(entry) ? entry : null;
    const node = base.mknod(parent, name, place ? FILE : DIRECTORY, 0);
    // A directory does not change by being looked at: the import system keeps its listing by this time.
    Object.assign(parent, { atime, mtime, ctime });
    node.atime = node.mtime = node.ctime = TIME;
    if (place) {
      fill(node, /** @type {[number, number, number]} */ (place));
    } else {
      fold(node, entry);
    }
    return node;
  }

  /** @param {any} node */
  function unfoldAll(node) {
    for (const name of [...(node.packed?.keys() ?? [])]) {
      unfold(node, name);
    }
  }

  /** @param {any} node @param {[number, number, number]} place */
  function fill(node, [number, offset, size]) {
    /** @param {Uint8Array} value */
    const set = (value) =>
      Object.defineProperty(node, "contents", {
        value,
        writable: true,
        configurable: true,
        enumerable: true,
      });
    node.usedBytes = size;
    Object.defineProperty(node, "contents", {
      configurable: true,
      enumerable: true,
      get() {
        const bytes = pack(number).subarray(offset, offset + size);
        set(bytes);
        return bytes;
      },
      set,
    });
  }

  // What the interpreter put there before stays, and wins over a packed file of the same name.
  const present = new Set(Object.keys(root.contents));
  fold(root, Object.fromEntries(Object.entries(index.tree).filter(([name]) => !present.has(name))));
  root.atime = root.mtime = root.ctime = TIME;
}
