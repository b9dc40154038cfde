/** Whether what stands on the page can be trusted now. The page owns this: a server that is gone cannot say so. */

import { hold } from "./answer";
import { now, seconds, set } from "./clock";
import { element, root, word } from "./page";
import type { Pulse, Trust } from "./row";
import { say } from "./say";

const SILENT_MS = 10_000;

const line = element("#trust", HTMLElement);
const text = element("#trust span", HTMLElement);
let trust: Trust = { state: (line.dataset["state"] ?? "lost") as Trust["state"], text: text.textContent ?? "" };
let heard = Date.now();
let heardAt = now();

export function beat(pulse: Pulse): void {
  set(pulse.at);
  heard = Date.now();
  heardAt = pulse.at;
  trust = pulse.trust;
  show();
}

function show(): void {
  const silent = Date.now() - heard > SILENT_MS;
  const state = silent ? "lost" : trust.state;
  const held = state === "lost" || state === "loading";
  const sentence = silent ? word("not_updated_since", { time: seconds(heardAt) }) : trust.text;
  const said = held ? `${sentence}. ${word("answers_off")}` : sentence;
  if (text.textContent !== said) text.textContent = said;
  if (line.dataset["state"] === state && root.dataset["trust"] === state) return;
  const before = root.dataset["trust"];
  line.dataset["state"] = state;
  line.querySelector("use")?.setAttribute("href", `#trust-${state}`);
  root.dataset["trust"] = state;
  hold(held ? said : "");
  if (before !== undefined) say(said);
}

/** Watches the pulse from now on. */
export function watch(): void {
  show();
  window.setInterval(show, 1_000);
}
