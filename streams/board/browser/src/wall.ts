/** The wall: who needs somebody, in the order of need, and how many there was no room for. */

import { element, root } from "./page";
import { RowView } from "./patch";
import { byNeed, type Change } from "./row";
import { listen } from "./stream";
import { beat, watch } from "./trust";

const LAY_MS = 1_000;
const AGE_MS = 10_000;

const list = element("#wall", HTMLElement);
const more = element("#wall-more", HTMLElement);
const views = new Map<string, RowView>();
let timer = 0;

function take(change: Change): void {
  if (change.whole) views.clear();
  for (const handle of change.gone) views.delete(handle);
  for (const row of change.rows) {
    const view = views.get(row.handle) ?? new RowView();
    views.set(row.handle, view);
    view.show(row);
  }
  if (change.whole) lay();
  else if (!timer) timer = window.setTimeout(lay, LAY_MS);
}

function lay(): void {
  timer = 0;
  const rows = [...views.values()].flatMap((view) => (view.row ? [{ view, row: view.row }] : []));
  const shown = rows.filter(({ row }) => row.band !== "none" || row.f["stale"]).sort((a, b) => byNeed(a.row, b.row));
  const items = shown.map(({ view }) => view.item);
  for (const item of items) item.hidden = false;
  if (items.length !== list.children.length || items.some((item, i) => list.children[i] !== item)) list.replaceChildren(...items);
  // Nobody scrolls a wall: who does not fit is counted.
  const bottom = list.getBoundingClientRect().bottom;
  const left = items.filter((item) => item.getBoundingClientRect().bottom > bottom + 1);
  for (const item of left) item.hidden = true;
  more.hidden = left.length === 0;
  element("#wall-more b", HTMLElement).textContent = String(left.length);
  element("#wall-quiet", HTMLElement).textContent = String(rows.filter(({ row }) => row.band === "none").length);
  element("#nobody", HTMLElement).hidden = items.length > 0;
}

window.setInterval(() => {
  for (const view of views.values()) view.age();
}, AGE_MS);
window.addEventListener("resize", lay);
watch();
listen(root.dataset["ward"] ?? "", take, beat);
