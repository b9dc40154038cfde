/** One patient's row: made from the page's template, and changed text by text. */

import { arrived, refresh, silence } from "./answer";
import { distance, now } from "./clock";
import { fold } from "./menu";
import { element, word } from "./page";
import type { Row } from "./row";
import { markOf, type Mark } from "./seen";

const template = element("#row", HTMLTemplateElement);
const REOPENED_FROM = ["acknowledged", "snoozed", "dismissed"];

export class RowView {
  readonly item: HTMLElement;
  row: Row | null = null;
  gone = false;
  mark: Mark = "";
  #texts = new Map<string, HTMLElement>();
  #wraps = new Map<string, HTMLElement>();
  #times = new Map<string, HTMLElement>();
  #menu: HTMLElement | null;

  /** Of a row that the server wrote, or of a new one. */
  constructor(item?: HTMLElement) {
    this.item = item ?? (template.content.firstElementChild?.cloneNode(true) as HTMLElement);
    for (const part of this.item.querySelectorAll<HTMLElement>("[data-f]")) this.#texts.set(part.dataset["f"] ?? "", part);
    for (const part of this.item.querySelectorAll<HTMLElement>("[data-with]")) this.#wraps.set(part.dataset["with"] ?? "", part);
    for (const part of this.item.querySelectorAll<HTMLElement>("[data-t]")) this.#times.set(part.dataset["t"] ?? "", part);
    const details = this.item.querySelector<HTMLDetailsElement>(".answers details");
    this.#menu = details?.querySelector<HTMLElement>(".menu") ?? null;
    if (details && this.#menu) fold(details, this.#menu);
  }

  get home(): HTMLElement | null {
    return this.item.querySelector<HTMLElement>("[data-home]");
  }

  show(row: Row): void {
    const before = this.row;
    this.row = row;
    this.gone = false;
    if (this.item.dataset["handle"] !== row.handle) this.#name(row.handle);
    if (before?.band !== row.band) {
      this.item.dataset["band"] = row.band;
      this.item.querySelector("use")?.setAttribute("href", `#band-${row.band}`);
    }
    for (const [name, part] of this.#texts) {
      const text = row.f[name] ?? "";
      if (part.textContent !== text) part.textContent = text;
      const shown = this.#wraps.get(name) ?? part;
      if (shown.hidden !== (text === "")) shown.hidden = text === "";
    }
    this.item.toggleAttribute("data-stale", Boolean(row.f["stale"]));
    this.age();
    this.#answers(row);
    this.remark();
  }

  /** Ages and countdowns, which change without the row. */
  age(): void {
    if (!this.row) return;
    for (const [name, part] of this.#times) {
      const at = this.row.t[name] ?? null;
      const text = at === null ? "" : distance(name, at, this.row.now ?? now());
      if (part.textContent !== text) part.textContent = text;
    }
  }

  /** What is new to this viewer. */
  remark(): void {
    const alerts = this.row?.alerts ?? [];
    const marked = alerts.find((alert) => markOf(alert) !== "");
    this.mark = marked ? markOf(marked) : "";
    const text = this.mark && word(`mark_${this.mark}`);
    const tag = this.item.querySelector<HTMLElement>("[data-mark]");
    if (!tag || tag.textContent === text) return;
    tag.textContent = text;
    tag.hidden = text === "";
  }

  leave(): void {
    this.gone = true;
    this.item.dataset["gone"] = word("gone");
  }

  #name(handle: string): void {
    this.item.dataset["handle"] = handle;
    for (const input of this.#fields("handle")) input.value = handle;
    const home = this.item.querySelector<HTMLAnchorElement>("a[data-home]");
    if (!home) return;
    home.href = `/patient/${encodeURIComponent(handle)}`;
    home.id = `who-${handle}`;
    for (const part of this.item.querySelectorAll("[aria-describedby]")) part.setAttribute("aria-describedby", home.id);
  }

  /** The inputs of this name in all forms, those of the menu too. */
  #fields(name: string): HTMLInputElement[] {
    const parts = this.#menu ? [this.item, this.#menu] : [this.item];
    return parts.flatMap((part) => [...part.querySelectorAll<HTMLInputElement>(`input[name=${name}]`)]);
  }

  #answers(row: Row): void {
    delete this.item.dataset["gone"];
    const alert = row.alerts[0];
    const fields = this.item.querySelector<HTMLFieldSetElement>("fieldset.answers");
    if (!fields) return;
    fields.hidden = !alert?.open;
    if (!alert) return;
    if (this.item.dataset["sequence"] !== String(alert.sequence)) {
      this.item.dataset["sequence"] = String(alert.sequence);
      silence(this.item);
    }
    for (const input of this.#fields("alert")) if (input.value !== alert.id) input.value = alert.id;
    const take = fields.querySelector<HTMLElement>("form.take");
    const reopen = this.#menu?.querySelector<HTMLElement>("form.reopen");
    const did = this.#menu?.querySelector<HTMLInputElement>("form.did input[name=action]");
    if (take) take.hidden = alert.state === "acknowledged";
    if (did) did.value = alert.state === "acknowledged" ? "comment" : "acknowledge";
    if (reopen) reopen.hidden = !REOPENED_FROM.includes(alert.state);
    for (const { id, sequence } of row.alerts) arrived(id, sequence);
    refresh(fields);
  }
}
