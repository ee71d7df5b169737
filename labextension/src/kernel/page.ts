import type { Contents } from '@jupyterlab/services';
import { KernelMessage } from '@jupyterlab/services';

import type { IKernel } from '@jupyterlite/services';
import { BaseKernel } from '@jupyterlite/services';

import { PromiseDelegate } from '@lumino/coreutils';

import type { IPageActivity } from '../activity/tokens';

import { DriveServer } from '../drive/page';
import type { DriveRequest } from '../drive/tokens';

import type { QueryProgress } from '../queries/tokens';

import type { Start } from '../starts/tokens';

import type { Answer } from '../transport/answers';
import { WorkerError, WorkerTransport } from '../transport/page';
import type { IKernelEvent, IProgress, Topic } from '../transport/protocol';

import { StreamOutput } from './streamoutput';

import type { IKernelWorker, IStartOptions, IStartReport } from './tokens';
import { START_MEASURE } from './tokens';

/** The byte in the interrupt buffer that means KeyboardInterrupt: SIGINT. */
const SIGINT = 2;

/** What a kernel needs of the page. */
export interface IPySparkKernelOptions extends IKernel.IOptions {
  /** A new kernel worker with its network bridge. */
  createWorker: () => IKernelWorker;
  start: IStartOptions;
  contents: Contents.IManager;
  /** Whether files that are text shall be stored as text (JupyterLite). */
  keepText: boolean;
  log: (level: string, text: string) => void;
  /** Told when Python works, and when it waits for something to do or for a person. */
  activity: IPageActivity;
  /** Told about each step of the start. */
  onStart: (start: Start) => void;
  /** Told about the queries of a cell, by the id of its execute request; null: the cell has ended. */
  onQuery: (request: string, progress: QueryProgress | null) => void;
}

/** Python in a worker of this page, with PySpark at hand. */
export class PySparkKernel extends BaseKernel {
  constructor(options: IPySparkKernelOptions) {
    super(options);
    this._options = options;
    this._drive = new DriveServer(options.contents, options.keepText);
    const { worker, wake } = options.createWorker();
    this._worker = worker;
    this._wake = wake;
    this._streams = new StreamOutput((content, parent) => this.stream(content, parent), options.start.taken);
    this._interrupt = options.start.interrupt && new Uint8Array(options.start.interrupt);
    this._transport = new WorkerTransport(worker, {
      message: event => this._onEvent(event),
      log: options.log,
      progress: progress => this._onProgress(progress),
      ask: (topic, request) => this._answer(topic, request)
    });
    // Nobody may be waiting yet when a start fails.
    this._ready.promise.catch(() => undefined);
    void this._boot();
  }

  override get ready(): Promise<void> {
    return this._ready.promise;
  }

  /** How the start went; null until the kernel is ready. */
  get report(): IStartReport | null {
    return this._report;
  }

  /** Raise KeyboardInterrupt in the running cell. */
  interrupt(): void {
    if (this._running > 0 && this._interrupt) {
      Atomics.store(this._interrupt, 0, SIGINT);
      this._wake();
      this._transport.interrupt();
    }
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    const reason = new WorkerError('KernelGone', 'The kernel was shut down or restarted');
    this._transport.dispose(reason);
    this._ready.reject(reason);
    this._input?.reject(reason);
    // The bridge's network worker ends with it.
    this._worker.terminate();
    this._streams.dispose();
    super.dispose();
  }

  override async handleMessage(msg: KernelMessage.IMessage): Promise<void> {
    if (msg.header.msg_type === 'comm_info_request') {
      await this._commInfo(msg as KernelMessage.ICommInfoRequestMsg);
      return;
    }
    await super.handleMessage(msg);
  }

  async kernelInfoRequest(): Promise<KernelMessage.IInfoReplyMsg['content']> {
    const version = this._report?.python ?? '3.14';
    return {
      implementation: 'pyspark-browser',
      implementation_version: '0.1.0',
      language_info: {
        codemirror_mode: { name: 'ipython', version: 3 },
        file_extension: '.py',
        mimetype: 'text/x-python',
        name: 'python',
        nbconvert_exporter: 'python',
        pygments_lexer: 'ipython3',
        version
      },
      protocol_version: '5.3',
      status: 'ok',
      banner: `Python ${version} with PySpark, in this browser tab`,
      help_links: [
        { text: 'PySpark', url: 'https://spark.apache.org/docs/latest/api/python/' },
        { text: 'Pyodide', url: 'https://pyodide.org' }
      ]
    };
  }

  async executeRequest(
    content: KernelMessage.IExecuteRequestMsg['content']
  ): Promise<KernelMessage.IExecuteReplyMsg['content']> {
    const count = this.executionCount;
    if (this._interrupt) {
      // An interrupt that came too late for the last cell is not meant for this one.
      Atomics.store(this._interrupt, 0, 0);
    }
    this._running++;
    this._options.activity.began();
    const request = this.parentHeader?.msg_id ?? '';
    this._request = request;
    try {
      const reply = await this._transport.call<KernelMessage.IExecuteReplyMsg['content']>(
        'execute',
        content,
        this.parent
      );
      this._streams.flush();
      const plain = reply.status === 'error' ? withPlainName(reply) : reply;
      return { ...plain, execution_count: count };
    } catch (reason) {
      this._streams.flush();
      const { name, message } = reason as Error;
      const traceback = [`\u001b[31m${name}\u001b[0m: ${message}`];
      const failure = { ename: name, evalue: message, traceback };
      this.publishExecuteError(failure);
      return { status: 'error', execution_count: count, ...failure };
    } finally {
      this._running--;
      this._options.activity.ended();
      this._options.onQuery(request, null);
    }
  }

  async completeRequest(
    content: KernelMessage.ICompleteRequestMsg['content']
  ): Promise<KernelMessage.ICompleteReplyMsg['content']> {
    return this._transport.call('complete', content, this.parent);
  }

  async inspectRequest(
    content: KernelMessage.IInspectRequestMsg['content']
  ): Promise<KernelMessage.IInspectReplyMsg['content']> {
    return this._transport.call('inspect', content, this.parent);
  }

  async isCompleteRequest(
    content: KernelMessage.IIsCompleteRequestMsg['content']
  ): Promise<KernelMessage.IIsCompleteReplyMsg['content']> {
    return this._transport.call('isComplete', content, this.parent);
  }

  async commInfoRequest(
    content: KernelMessage.ICommInfoRequestMsg['content']
  ): Promise<KernelMessage.ICommInfoReplyMsg['content']> {
    return this._transport.call('commInfo', content, this.parent);
  }

  inputReply(content: KernelMessage.IInputReplyMsg['content']): void {
    this._input?.resolve('value' in content ? content.value : '');
    this._input = null;
  }

  async commOpen(msg: KernelMessage.ICommOpenMsg): Promise<void> {
    await this._atWork(this._transport.call('commOpen', msg, msg));
  }

  async commMsg(msg: KernelMessage.ICommMsgMsg): Promise<void> {
    await this._atWork(this._transport.call('commMsg', msg, msg));
  }

  async commClose(msg: KernelMessage.ICommCloseMsg): Promise<void> {
    await this._transport.call('commClose', msg, msg);
  }

  private async _boot(): Promise<void> {
    const begun = performance.now();
    this._options.onStart({ state: 'starting', progress: null });
    try {
      this._report = await this._transport.call<IStartReport>('initialize', this._options.start);
      if (this._report.reason) {
        this._options.log('warning', `Started without the memory snapshot: ${this._report.reason}`);
      }
      // For whoever measures: performance.getEntriesByName(START_MEASURE).
      performance.measure(START_MEASURE, { start: begun, detail: { kernelId: this.id, ...this._report } });
      this._starting = false;
      this._options.onStart({ state: 'ready' });
      this._ready.resolve();
    } catch (reason) {
      this._starting = false;
      if (!this.isDisposed) {
        this._options.log('critical', (reason as Error).message);
        this._options.onStart({ state: 'failed', reason: reason as Error });
      }
      this._ready.reject(reason);
    }
  }

  /** Other downloads of a start that has failed go on, and end; that says nothing of the kernel any more. */
  private _onProgress(progress: IProgress): void {
    if (this._starting) {
      this._options.onStart({ state: 'starting', progress });
    }
  }

  private async _answer(topic: Topic, request: unknown): Promise<Answer> {
    if (topic === 'drive') {
      return this._drive.handle(request as DriveRequest);
    }
    this._streams.flush();
    this._input = new PromiseDelegate<string>();
    this.inputRequest(request as KernelMessage.IInputRequestMsg['content']);
    // A prompt that nobody answers is an open tab like any other.
    this._options.activity.ended();
    try {
      return await this._input.promise;
    } finally {
      this._options.activity.began();
    }
  }

  /** Comm messages of widgets run code of the notebook, as cells do. */
  private async _atWork(work: Promise<unknown>): Promise<void> {
    this._options.activity.began();
    try {
      await work;
    } finally {
      this._options.activity.ended();
    }
  }

  private async _commInfo(msg: KernelMessage.ICommInfoRequestMsg): Promise<void> {
    const state = (execution_state: KernelMessage.Status): void =>
      this._options.sendMessage(
        KernelMessage.createMessage<KernelMessage.IStatusMsg>({
          channel: 'iopub',
          msgType: 'status',
          session: msg.header.session,
          parentHeader: msg.header,
          content: { execution_state }
        })
      );
    state('busy');
    const content = await this.commInfoRequest(msg.content);
    this._options.sendMessage(
      KernelMessage.createMessage<KernelMessage.ICommInfoReplyMsg>({
        channel: 'shell',
        msgType: 'comm_info_reply',
        session: msg.header.session,
        parentHeader: msg.header,
        content
      })
    );
    state('idle');
  }

  /** Pass on what the Python side publishes. */
  private _onEvent(event: IKernelEvent): void {
    // The stock kernel's worker class leaves the shapes untyped: they are what the message type says.
    const parent = event.parentHeader as KernelMessage.IHeader | undefined;
    if (event.type === 'stream') {
      this._streams.add(event.bundle as KernelMessage.IStreamMsg['content'], parent);
      return;
    }
    if (event.type !== 'query_progress') {
      this._streams.flush();
    }
    switch (event.type) {
      case 'display_data':
        this.displayData(event.bundle as KernelMessage.IDisplayDataMsg['content'], parent);
        break;
      case 'update_display_data':
        this.updateDisplayData(event.bundle as KernelMessage.IUpdateDisplayDataMsg['content'], parent);
        break;
      case 'clear_output':
        this.clearOutput(event.bundle as KernelMessage.IClearOutputMsg['content'], parent);
        break;
      case 'execute_result':
        this.publishExecuteResult(event.bundle as KernelMessage.IExecuteResultMsg['content'], parent);
        break;
      case 'execute_error':
        this.publishExecuteError(withPlainName(event.bundle as KernelMessage.IErrorMsg['content']), parent);
        break;
      case 'query_progress':
        this._options.onQuery(this._request, event.content as QueryProgress);
        break;
      case 'comm_open':
      case 'comm_msg':
      case 'comm_close':
        this.handleComm(
          event.type,
          event.content as KernelMessage.ICommMsgMsg['content'],
          (event.metadata ?? {}) as KernelMessage.ICommMsgMsg['metadata'],
          (event.buffers ?? []) as KernelMessage.ICommMsgMsg['buffers'],
          parent
        );
        break;
      default:
        this._options.log('warning', `The kernel published an unknown message, ${event.type}`);
    }
  }

  private readonly _options: IPySparkKernelOptions;
  private readonly _drive: DriveServer;
  private readonly _worker: Worker;
  private readonly _wake: () => void;
  private readonly _transport: WorkerTransport;
  private readonly _streams: StreamOutput;
  private readonly _interrupt: Uint8Array | null;
  private readonly _ready = new PromiseDelegate<void>();
  private _input: PromiseDelegate<string> | null = null;
  private _report: IStartReport | null = null;
  private _running = 0;
  private _starting = true;
  /** The id of the execute request that runs, or ran last. */
  private _request = '';
}

/** The stock kernel names exceptions `<class 'ValueError'>`; other kernels say `ValueError`. */
function withPlainName<E extends { ename: string }>(error: E): E {
  const found = /^<class '(?:.*\.)?([^.']+)'>$/.exec(error.ename);
  return found ? { ...error, ename: found[1] } : error;
}
