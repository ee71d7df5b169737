import { KernelMessage } from '@jupyterlab/services';

type Parent = KernelMessage.IMessage;

/** Replies and broadcasts that the page itself makes on behalf of a browser kernel. */

export function status(state: KernelMessage.Status, parent?: Parent): KernelMessage.IStatusMsg {
  return KernelMessage.createMessage<KernelMessage.IStatusMsg>({
    channel: 'iopub',
    msgType: 'status',
    session: '',
    parentHeader: parent?.header,
    content: { execution_state: state }
  });
}

/** What a kernel says to the execute requests that waited behind one that failed. */
export function abortedReply(parent: Parent): KernelMessage.IExecuteReplyMsg {
  return KernelMessage.createMessage<KernelMessage.IExecuteReplyMsg>({
    channel: 'shell',
    msgType: 'execute_reply',
    session: '',
    parentHeader: parent.header as KernelMessage.IHeader<'execute_request'>,
    content: { status: 'aborted' } as unknown as KernelMessage.IExecuteReplyMsg['content']
  });
}

/** A failure of the kernel itself, shaped like an exception of the cell. */
export interface IFailure {
  ename: string;
  evalue: string;
  traceback: string[];
}

export function failedReply(parent: Parent, failure: IFailure): KernelMessage.IExecuteReplyMsg {
  return KernelMessage.createMessage<KernelMessage.IExecuteReplyMsg>({
    channel: 'shell',
    msgType: 'execute_reply',
    session: '',
    parentHeader: parent.header as KernelMessage.IHeader<'execute_request'>,
    content: { status: 'error', execution_count: null, ...failure }
  });
}

export function errorOutput(parent: Parent, failure: IFailure): KernelMessage.IErrorMsg {
  return KernelMessage.createMessage<KernelMessage.IErrorMsg>({
    channel: 'iopub',
    msgType: 'error',
    session: '',
    parentHeader: parent.header,
    content: { ...failure }
  });
}

/** Shape anything thrown as a failure; a KernelFailure keeps its own name and text. */
export function failureOf(reason: unknown, fallbackName: string): IFailure {
  const error = reason instanceof Error ? reason : new Error(String(reason));
  const ename = error.name && error.name !== 'Error' ? error.name : fallbackName;
  const evalue = error.message || 'no further details';
  return { ename, evalue, traceback: [`\u001b[31m${ename}\u001b[0m: ${evalue}`] };
}
