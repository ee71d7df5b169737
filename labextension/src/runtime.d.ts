/** The parts of client/runtime/js that this extension uses; the JavaScript there is typed by JSDoc. */
declare module '*/client/runtime/js/restore.js' {
  import type { PyodideAPI } from 'pyodide';

  export interface IManifest {
    format: number;
    hash: string;
    pyodide: string;
    python: string;
    kernel: { packages: Record<string, string> };
  }

  export interface IShared {
    manifest: IManifest;
    wasmModule: WebAssembly.Module | null;
    snapshot: SharedArrayBuffer | null;
  }

  export interface IBootResult {
    pyodide: PyodideAPI;
    mode: 'snapshot' | 'ordinary';
    reason: string | null;
    marks: Record<string, number>;
    manifest: IManifest;
    wasmModule: WebAssembly.Module | null;
  }

  export function boot(options: {
    runtimeUrl: string;
    env?: Record<string, string>;
    stdout?: (text: string) => void;
    stderr?: (text: string) => void;
    onProgress?: (progress: { stage: 'download' | 'start' | 'ready'; loaded: number; total: number }) => void;
    shared?: Partial<IShared> | null;
    snapshot?: boolean;
    packages?: boolean;
    loadPyodideOptions?: Record<string, unknown>;
  }): Promise<IBootResult>;

  export function warm(result: IBootResult, runtimeUrl: string): Promise<void>;
}

declare module '*/client/runtime/js/preload.js' {
  export function preload(
    runtimeUrl: string,
    options?: { packages?: boolean }
  ): {
    readonly ready: boolean;
    shared(): Promise<unknown>;
  };
}
