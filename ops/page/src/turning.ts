// Cards of the wall turn while they are pointed at or hold the focus: one turntable, lent to one card at a time.

import { say, toast } from "./dom";
import type { Turntable } from "./turntable";

const PATIENCE_MS = 120;

export function turnOnHover(wall: HTMLElement): () => void {
  let table: Turntable | null = null;
  let current: Element | null = null;
  let timer = 0;
  let closed = false;
  let impossible = false;

  const turn = async (card: HTMLElement): Promise<void> => {
    const stage = card.querySelector<HTMLElement>(".stage");
    if (!stage || impossible) return;
    try {
      const { Turntable } = await import("./turntable");
      impossible = true; // unless the browser can draw, which is said once
      table ??= new Turntable();
      impossible = false;
      if (current !== card || closed) return;
      await table.show(stage, Number(card.dataset.shape), Number(card.dataset.version), () => current === card && !closed);
    } catch (error) {
      toast(say(error));
    }
  };
  const begin = (event: Event): void => {
    const card = event.target instanceof Element ? event.target.closest<HTMLElement>(".card") : null;
    if (card === current) return;
    end();
    if (!card) return;
    current = card;
    timer = window.setTimeout(() => void turn(card), PATIENCE_MS);
  };
  const end = (): void => {
    current = null;
    clearTimeout(timer);
    table?.rest();
  };
  wall.addEventListener("pointerover", (event) => { if (event.pointerType === "mouse") begin(event); });
  wall.addEventListener("pointerleave", end);
  wall.addEventListener("focusin", begin);
  wall.addEventListener("focusout", end);
  return () => {
    closed = true;
    end();
    table?.close();
  };
}
