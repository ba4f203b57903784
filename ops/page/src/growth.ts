// How the library grew over its latest changes, and grows: images as a line, shapes as steps.

import * as api from "./api";
import { count, h, s } from "./dom";
import type { ChangeSummary } from "./types";

const CHANGES = 120;
const [WIDE, HIGH] = [240, 44];

export class Growth {
  readonly element = h("figure", { class: "growth", hidden: true });
  private changes: ChangeSummary[] = [];

  /** Asks for the latest changes; a library in which nothing has happened yet has no growth to show. */
  async begin(): Promise<void> {
    try {
      const latest = await api.moment();
      if (!latest) return;
      const { items } = await api.changesUpTo(latest.id, CHANGES);
      const known = new Set(items.map((change) => change.id));
      this.changes = [...items, ...this.changes.filter((change) => !known.has(change.id))];
      this.draw();
    } catch {
      this.element.hidden = true;
    }
  }

  add(change: ChangeSummary): void {
    this.changes = [...this.changes, change].slice(-CHANGES);
    this.draw();
  }

  private draw(): void {
    const [first, last] = [this.changes[0], this.changes.at(-1)];
    if (!first || !last || this.changes.length < 2) return;
    const text = `over the last ${this.changes.length} changes: images ${count(first.images)} to ${count(last.images)}, ` +
      `shapes ${count(first.shapes)} to ${count(last.shapes)}`;
    this.element.hidden = false;
    this.element.replaceChildren(
      s("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `Growth ${text}`, preserveAspectRatio: "none" },
        s("path", { class: "images", d: this.line((change) => change.images, false) }),
        s("path", { class: "shapes", d: this.line((change) => change.shapes, true) })),
      h("figcaption", { class: "dim small" }, `Growth ${text}`));
  }

  private line(of: (change: ChangeSummary) => number, steps: boolean): string {
    const values = this.changes.map(of);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const x = (i: number): string => ((i / (values.length - 1)) * WIDE).toFixed(1);
    const y = (value: number): string => (HIGH - 2 - ((value - least) / (most - least || 1)) * (HIGH - 4)).toFixed(1);
    return values.map((value, i) => {
      if (!i) return `M0 ${y(value)}`;
      return steps ? `H${x(i)}V${y(value)}` : `L${x(i)} ${y(value)}`;
    }).join("");
  }
}
