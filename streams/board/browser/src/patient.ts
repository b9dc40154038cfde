/** The page of one patient. */

import { arrived } from "./answer";
import { now } from "./clock";
import { onTheme } from "./ink";
import "./menu";
import { element } from "./page";
import { Plot } from "./plot";
import type { Change, Row } from "./row";
import { look } from "./seen";
import { listen } from "./stream";
import { beat, watch } from "./trust";

/** A page that is read must not jump at every value. */
const AGAIN_MS = 10_000;
const HOURS = 72;

const shown = JSON.parse(element("#patient", HTMLScriptElement).text) as Row;
const fresh = element("#fresh", HTMLElement);
const opened = performance.now();
let timer = 0;

look(shown.alerts);

function told(row: Row | undefined, gone: boolean): void {
  for (const { id, sequence } of row?.alerts ?? []) arrived(id, sequence);
  if (!gone && (row === undefined || same(row, shown))) return;
  fresh.hidden = false;
  if (!timer) timer = window.setTimeout(again, Math.max(0, opened + AGAIN_MS - performance.now()));
}

function take(change: Change): void {
  const row = change.rows.find(({ handle }) => handle === shown.handle);
  told(row, change.gone.includes(shown.handle) || (change.whole && row === undefined));
}

function again(): void {
  const busy = document.activeElement?.closest("form") || document.querySelector("details[open], [data-pending]");
  if (busy) timer = window.setTimeout(again, AGAIN_MS);
  else location.reload();
}

function same(a: Row, b: Row): boolean {
  const alerts = ({ alerts }: Row) => alerts.map(({ id, sequence }) => `${id} ${sequence}`).join();
  return alerts(a) === alerts(b) && a.band === b.band && Object.keys(a.t).every((name) => a.t[name] === b.t[name]);
}

element("#fresh button", HTMLButtonElement).addEventListener("click", () => location.reload());

const plots = [...document.querySelectorAll<HTMLElement>("[data-plot]")].map((figure) => new Plot(figure));
const choices = document.querySelectorAll<HTMLElement>("[data-window]");

function show(hours: number): void {
  for (const choice of choices) choice.setAttribute("aria-pressed", String(Number(choice.dataset["window"]) === hours));
  for (const plot of plots) plot.show(hours, shown.now ?? now());
}

for (const choice of choices) choice.addEventListener("click", () => show(Number(choice.dataset["window"])));
show(HOURS);
onTheme(() => plots.forEach((plot) => plot.draw()));
window.addEventListener("resize", () => plots.forEach((plot) => plot.fit()));
watch();
listen(shown.ward, take, beat);
