import { Token } from '@lumino/coreutils';

import type { RoutedKernelSpecClient } from './specs';

/** The kernelspecs of both sides, and which name belongs to which. */
export const IRoutedSpecs = new Token<RoutedKernelSpecClient>('pcw-server-ext:IRoutedSpecs');
