/** The order of the rows: by what needs doing, but never moved under a hand. */

import { element, word } from "./page";
import type { RowView } from "./patch";
import { byNeed } from "./row";

const SORT_MS = 1_000;
/** A hand that has not moved for so long is gone, even if the pointer still rests on a row. */
const HAND_MS = 60_000;

export class Order {
  #list: HTMLElement;
  #views: Map<string, RowView>;
  #bar = element("#waiting", HTMLElement);
  #count = element("#waiting span", HTMLElement);
  #button = element("#hold", HTMLButtonElement);
  #waiting = new Set<string>();
  #held = false;
  #hand = -HAND_MS;
  #sorted = -SORT_MS;
  #timer = 0;

  constructor(list: HTMLElement, views: Map<string, RowView>) {
    this.#list = list;
    this.#views = views;
    for (const sign of ["pointermove", "pointerdown", "keydown", "input", "focusin"])
      list.addEventListener(sign, () => (this.#hand = performance.now()), { passive: true });
    for (const end of ["pointerleave", "focusout"]) list.addEventListener(end, () => this.soon());
    list.addEventListener("toggle", () => this.soon(), true);
    this.#button.addEventListener("click", () => this.#hold(!this.#held));
    element("#waiting button", HTMLButtonElement).addEventListener("click", () => {
      this.#hold(false);
      this.#sort();
    });
  }

  /** The patient's place may have changed. */
  moved(handle: string): void {
    this.#waiting.add(handle);
  }

  /** Sorts when it may, at most once a second. */
  soon(): void {
    if (this.#waiting.size === 0 || this.#timer) return;
    this.#timer = window.setTimeout(() => this.#try(), Math.max(0, this.#sorted + SORT_MS - performance.now()));
  }

  #try(): void {
    this.#timer = 0;
    if (!this.#changes()) this.#waiting.clear();
    else if (!this.#frozen()) this.#sort();
    else this.#timer = window.setTimeout(() => this.#try(), SORT_MS);
    this.#tell();
  }

  #hold(held: boolean): void {
    this.#held = held;
    this.#button.setAttribute("aria-pressed", String(held));
    this.soon();
  }

  #frozen(): boolean {
    if (this.#held) return true;
    if (performance.now() - this.#hand > HAND_MS) return false;
    return this.#list.querySelector(":scope > :hover, :scope > :focus-within, details[open]") !== null;
  }

  #wanted(): RowView[] {
    const views = [...this.#views.values()].filter((view) => !view.gone);
    return views.sort((a, b) => (a.row && b.row ? byNeed(a.row, b.row) : 0));
  }

  #changes(): boolean {
    const items = this.#list.children;
    const wanted = this.#wanted();
    return items.length !== wanted.length || wanted.some((view, i) => items[i] !== view.item);
  }

  #sort(): void {
    for (const [handle, view] of this.#views)
      if (view.gone) {
        view.item.remove();
        this.#views.delete(handle);
      }
    const focus = document.activeElement;
    this.#wanted().forEach((view, i) => {
      const there = this.#list.children[i] ?? null;
      if (there !== view.item) this.#list.insertBefore(view.item, there);
    });
    if (focus instanceof HTMLElement && focus !== document.activeElement) focus.focus({ preventScroll: true });
    this.#waiting.clear();
    this.#sorted = performance.now();
    this.#tell();
  }

  #tell(): void {
    const n = this.#waiting.size;
    this.#bar.hidden = n === 0;
    if (n) this.#count.textContent = word(n === 1 ? "one_change_waits" : "changes_wait", { n });
  }
}
