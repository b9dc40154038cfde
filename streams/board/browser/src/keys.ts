/** Single keys for those who never touch the mouse. They can be switched off in the help. */

import { unfold } from "./menu";
import { element } from "./page";
import { recall, remember } from "./store";

const help = element("#help", HTMLDialogElement);
const on = element("#keys", HTMLInputElement);

on.checked = recall("keys") !== "off";
on.addEventListener("change", () => remember("keys", on.checked ? "on" : "off"));
element("#help-button", HTMLButtonElement).addEventListener("click", () => help.showModal());

function rows(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>("#rows > li:not([hidden])")];
}

function here(): HTMLElement | null {
  return document.activeElement?.closest<HTMLElement>("#rows > li") ?? null;
}

function step(by: number): void {
  const all = rows();
  const at = all.findIndex((row) => row === here());
  const next = at < 0 ? all[0] : all[Math.min(all.length - 1, Math.max(0, at + by))];
  next?.querySelector<HTMLElement>("[data-home]")?.focus();
}

function menu(field: string): void {
  const row = here();
  const details = row?.querySelector("details");
  if (details) unfold(details);
  row?.querySelector<HTMLElement>(`[name=${field}]`)?.focus();
}

const ACTIONS: Record<string, () => void> = {
  j: () => step(1),
  k: () => step(-1),
  t: () => here()?.querySelector<HTMLElement>("form.take:not([hidden]) button")?.click(),
  s: () => menu("until"),
  d: () => menu("reason"),
  "/": () => document.querySelector<HTMLElement>("#find")?.focus(),
  "?": () => help.showModal(),
};

document.addEventListener("keydown", (event) => {
  const target = event.target as HTMLElement;
  if (!on.checked || event.ctrlKey || event.altKey || event.metaKey || help.open) return;
  if (target.matches("input, select, textarea")) return;
  const action = ACTIONS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
