/** How many changes that the viewer has not seen are out of view, and the way to the next of them. */

import { element, word } from "./page";

const bar = element("#away", HTMLElement);
const inView = new Set<Element>();
let marked: HTMLElement[] = [];

const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries)
    if (isIntersecting) inView.add(target);
    else inView.delete(target);
  tell();
});

export function follow(item: HTMLElement): void {
  observer.observe(item);
}

/** These rows are marked. */
export function marks(items: HTMLElement[]): void {
  marked = items;
  tell();
}

function out(): HTMLElement[] {
  return marked.filter((item) => !inView.has(item));
}

function tell(): void {
  const n = out().length;
  bar.hidden = n === 0;
  const text = word("out_of_view", { n });
  const place = element("#away span", HTMLElement);
  if (place.textContent !== text) place.textContent = text;
}

element("#away button", HTMLButtonElement).addEventListener("click", () => out()[0]?.scrollIntoView({ block: "center" }));
