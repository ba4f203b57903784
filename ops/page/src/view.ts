// What every view is: something that fills the main element and tells how to end it.

import type { Live } from "./live";

export interface Context {
  main: HTMLElement;
  live: Live;
  /** The parts of the address behind the view's name. */
  rest: string[];
  query: URLSearchParams;
  /** Whether the view is still the one to be shown. */
  isCurrent(): boolean;
}

export type View = (context: Context) => Promise<() => void> | (() => void);

export const nothing = (): void => undefined;
