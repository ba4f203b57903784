// What the library holds, kept up to date: by server-sent events where the server lends a stream, else by asking.

import * as api from "./api";
import { ApiError } from "./api";
import type { ChangeSummary, LibraryStatus } from "./types";

/** Every kind of change, as in index/changes.py. */
export const KINDS = [
  "images", "created", "split", "merged", "dissolved", "published", "candidate", "rolled_back", "registered", "handed_back",
  "no_shape", "failed", "edited",
  "images_deleted", "images_quarantined", "images_released", "source_deleted", "source_quarantined",
  "source_released", "deleted",
] as const;

const WITH_EVENTS_MS = 10_000;
const WITHOUT_MS = 2000;
const SETTLE_MS = 500;
const ASK_AGAIN_MS = 60_000;

export interface Listener {
  status?(status: LibraryStatus): void;
  change?(change: ChangeSummary): void;
}

export class Live {
  latest: LibraryStatus | null = null;
  private readonly listeners = new Set<Listener>();
  private stream: EventSource | null = null;
  private timer = 0;
  private opened = 0;
  private asking = false;
  private stopped = false;

  constructor(private readonly told: { lost(error: unknown): void }) {}

  start(): void {
    document.addEventListener("visibilitychange", () => this.listen());
    this.listen();
  }

  stop(): void {
    this.stopped = true;
    this.stream?.close();
    clearTimeout(this.timer);
  }

  /** Tells a listener of what comes, and of the latest status at once; the answer ends it. */
  join(listener: Listener): () => void {
    this.listeners.add(listener);
    if (this.latest) listener.status?.(this.latest);
    return () => this.listeners.delete(listener);
  }

  private listen(): void {
    if (this.stopped) return;
    this.stream?.close();
    this.stream = null;
    clearTimeout(this.timer);
    if (document.hidden) return; // a stream is the server's to lend, and nobody looks
    const stream = new EventSource("/v1/events");
    for (const kind of KINDS) stream.addEventListener(kind, (event) => this.heard(event));
    this.stream = stream;
    this.opened = performance.now();
    void this.ask();
  }

  private heard(event: MessageEvent<string>): void {
    const change = JSON.parse(event.data) as ChangeSummary;
    for (const listener of this.listeners) listener.change?.(change);
    this.again(SETTLE_MS);
  }

  private again(wait: number): void {
    clearTimeout(this.timer);
    if (!this.stopped && !document.hidden) this.timer = window.setTimeout(() => void this.ask(), wait);
  }

  private async ask(): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    try {
      this.latest = await api.status();
      for (const listener of this.listeners) listener.status?.(this.latest);
    } catch (error) {
      this.told.lost(error);
      if (error instanceof ApiError && error.status === 401) this.stop();
    }
    this.asking = false;
    const refused = this.stream?.readyState === EventSource.CLOSED; // all streams are lent, or the server is another
    if (refused && performance.now() - this.opened > ASK_AGAIN_MS) this.listen();
    else this.again(this.stream?.readyState === EventSource.OPEN ? WITH_EVENTS_MS : WITHOUT_MS);
  }
}
