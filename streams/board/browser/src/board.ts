/** The ward's page. */

import { element, root, word } from "./page";
import { follow, marks } from "./away";
import "./keys";
import "./menu";
import { matches, onFilter } from "./filter";
import { Order } from "./order";
import { RowView } from "./patch";
import type { Band, Change, Row } from "./row";
import { say } from "./say";
import { first, look } from "./seen";
import { listen } from "./stream";
import { beat, watch } from "./trust";

const PATCH_MS = 250;
const AGE_MS = 10_000;
const SPOKEN = 5;

const list = element("#rows", HTMLElement);
const views = new Map<string, RowView>();
for (const item of list.children)
  if (item instanceof HTMLElement) views.set(item.dataset["handle"] ?? "", new RowView(item));
for (const { item } of views.values()) follow(item);
const order = new Order(list, views);

let incoming = new Map<string, Row | null>();
let timer = 0;
let patched = -PATCH_MS;
let begun = false;

function take(change: Change): void {
  if (change.whole) for (const handle of views.keys()) incoming.set(handle, null);
  for (const handle of change.gone) incoming.set(handle, null);
  for (const row of change.rows) incoming.set(row.handle, row);
  if (!timer) timer = window.setTimeout(patch, Math.max(0, patched + PATCH_MS - performance.now()));
}

function patch(): void {
  timer = 0;
  const batch = incoming;
  incoming = new Map();
  if (!begun && first) look([...batch.values()].flatMap((row) => row?.alerts ?? []));
  const news: RowView[] = [];
  for (const [handle, row] of batch) {
    const view = views.get(handle) ?? (row ? add(handle) : null);
    if (!view) continue;
    const mark = view.mark;
    if (!row) view.leave();
    else {
      const moved = view.row?.order !== row.order;
      view.show(row);
      if (moved) order.moved(handle);
      if (begun && view.mark && view.mark !== mark) news.push(view);
    }
    if (!row) order.moved(handle);
  }
  begun = true;
  patched = performance.now();
  tell(news);
  summarise();
  order.soon();
}

// At the end: what is new may wait for its place, but not for being seen.
function add(handle: string): RowView {
  const view = new RowView();
  views.set(handle, view);
  list.append(view.item);
  follow(view.item);
  return view;
}

function tell(news: RowView[]): void {
  if (news.length === 0) return;
  const named = news.slice(0, SPOKEN).map(({ row, mark }) => {
    const { place, band, what, changed } = row?.f ?? {};
    return mark === "withdrawn" ? `${place}: ${changed}` : `${place} ${band} ${what}, ${word(`mark_${mark}`)}`;
  });
  if (news.length > SPOKEN) named.push(word("and_more", { n: news.length - SPOKEN }));
  say(named.join("; "));
}

const seenAll = element("#seen-all", HTMLButtonElement);
const asked = element("#seen-ask", HTMLDialogElement);
seenAll.addEventListener("click", () => asked.showModal());
asked.addEventListener("close", () => {
  if (asked.returnValue !== "yes") return;
  look([...views.values()].flatMap((view) => view.row?.alerts ?? []));
  for (const view of views.values()) view.remark();
  summarise();
});

function summarise(): void {
  const shown: Record<Band, number> = { critical: 0, warning: 0, info: 0, none: 0, unknown: 0 };
  let all = 0;
  const marked: HTMLElement[] = [];
  for (const { row, item, mark, gone } of views.values()) {
    if (!row) continue;
    const hidden = !matches(row);
    if (item.hidden !== hidden) item.hidden = hidden;
    if (hidden || gone) continue;
    shown[row.band] += 1;
    all += 1;
    if (mark) marked.push(item);
  }
  for (const part of document.querySelectorAll<HTMLElement>("[data-count]")) {
    const name = part.dataset["count"] ?? "";
    const text = String(name === "all" ? all : shown[name as Band]);
    if (part.textContent !== text) part.textContent = text;
  }
  element("#nobody", HTMLElement).hidden = all > 0;
  marks(marked);
  seenAll.hidden = marked.length === 0;
  seenAll.textContent = word("mark_all_seen", { n: marked.length });
}

onFilter(summarise);
window.setInterval(() => {
  for (const view of views.values()) view.age();
}, AGE_MS);
// Opening the patient is looking at the alerts, for this viewer alone.
list.addEventListener("click", (event) => {
  if (!(event.target instanceof Element) || !event.target.closest("a[data-home], button[name=action]")) return;
  const view = views.get(event.target.closest<HTMLElement>("li")?.dataset["handle"] ?? "");
  look(view?.row?.alerts ?? []);
  view?.remark();
  summarise();
});
watch();
listen(root.dataset["ward"] ?? "", take, beat);
