import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { IKernelSpecs } from '@jupyterlite/services';

import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { IPageActivity } from '../activity/tokens';

import { toBase64 } from '../drive/base64';
import { DriveServer } from '../drive/page';

import { readConfig, tryConfig } from '../page/config';
import { isLite } from '../page/location';

import { IQueryView } from '../queries/tokens';

import { QuestionChannel, receivedRequest, serviceWorkerReady } from '../questions/page';

import { SiteConnection } from '../site/connection';

import { KernelStarts } from '../starts/page';
import { IKernelStarts } from '../starts/tokens';

import { createWorker } from './createworker';

import { ICON_URL } from './icon';

import { bootChoices, startOptions } from './options';

import { PySparkKernel } from './page';

import { Prefetch, whenIdle } from './prefetch';

import { SpareWorker } from './spare';

import { KERNEL_LABEL, KERNEL_NAME } from './tokens';

/** On a site whose page is not isolated, files come through its service worker. */
async function questionContext(): Promise<string | null> {
  return isLite() && !crossOriginIsolated && (await serviceWorkerReady()) ? crypto.randomUUID() : null;
}

/** Puts the kernel "PySpark (browser)" into the launcher. */
export const kernelPlugin: JupyterFrontEndPlugin<IKernelStarts> = {
  id: 'pcw-server-ext:kernel',
  description: 'The kernel "PySpark (browser)".',
  autoStart: true,
  requires: [IKernelSpecs, IPageActivity],
  optional: [IQueryView],
  provides: IKernelStarts,
  activate: (app: JupyterFrontEnd, kernelSpecs: IKernelSpecs, activity: IPageActivity, queries: IQueryView | null) => {
    const starts = new KernelStarts();
    const prefetch = new Prefetch();
    const spare = new SpareWorker();
    kernelSpecs.register({
      spec: {
        name: KERNEL_NAME,
        display_name: KERNEL_LABEL,
        language: 'python',
        argv: [],
        metadata: {},
        resources: { 'logo-svg': ICON_URL, 'logo-64x64': ICON_URL }
      },
      create: async options => {
        const config = readConfig();
        const connect = config.site ? await new SiteConnection(config.site).forKernel() : null;
        const [shared, context] = await Promise.all([prefetch.shared(config), questionContext()]);
        const contents = app.serviceManager.contents;
        const kernel = new PySparkKernel({
          ...options,
          createWorker: () => spare.take() ?? createWorker(config),
          start: startOptions(config, options, { shared, connect, context }),
          contents,
          keepText: isLite(),
          log: (level, text) => console.info(`[${KERNEL_LABEL}] ${level}: ${text}`),
          onStart: start => starts.report(options.id, start),
          activity,
          onQuery: (request, progress) => queries?.show(request, progress)
        });
        if (context !== null) {
          const drive = new DriveServer(contents, isLite());
          const questions = new QuestionChannel(context, async sent => drive.handle(receivedRequest(sent)), toBase64);
          kernel.disposed.connect(() => questions.dispose());
        }
        return kernel;
      }
    });
    const config = tryConfig();
    if (config?.runtimeUrl) {
      app.commands.commandExecuted.connect((_, { id, args }) => {
        if (asksForKernel(id, args)) {
          const boot = prefetch.shared(config).then(shared => ({ ...bootChoices(config), shared }));
          spare.begin(() => createWorker(config), boot);
        }
      });
    }
    if (config?.prefetch && config.runtimeUrl) {
      void app.restored.then(() => whenIdle(() => prefetch.begin(config)));
    }
    return starts;
  }
};

/** Whether a command, such as the launcher's, is about to make a notebook or console with our kernel. */
function asksForKernel(command: string, args: ReadonlyPartialJSONObject): boolean {
  const preference = args['kernelPreference'] as { name?: string } | undefined;
  return (
    (command === 'notebook:create-new' && args['kernelName'] === KERNEL_NAME) ||
    (command === 'console:create' && preference?.name === KERNEL_NAME)
  );
}
