/** The page's one live region: short summaries, not more often than every five seconds. */

import { element } from "./page";

const EVERY_MS = 5_000;

const region = element("#said", HTMLElement);
let waiting: string[] = [];
let timer = 0;
let last = -EVERY_MS;

export function say(text: string): void {
  waiting.push(text);
  if (!timer) timer = window.setTimeout(speak, Math.max(100, last + EVERY_MS - performance.now()));
}

function speak(): void {
  timer = 0;
  if (document.querySelector("dialog[open]")) {
    timer = window.setTimeout(speak, EVERY_MS);
    return;
  }
  region.textContent = waiting.join(". ");
  waiting = [];
  last = performance.now();
}
