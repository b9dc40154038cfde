/** Light, dark, or as the computer has it. */

import { recall, remember } from "./store";

const CHOICES = ["auto", "light", "dark"];

function show(choice: string): void {
  document.documentElement.dataset["theme"] = choice;
}

show(recall("theme") ?? "auto");

document.addEventListener("DOMContentLoaded", () => {
  const select = document.querySelector<HTMLSelectElement>("#theme");
  if (!select) return;
  const chosen = document.documentElement.dataset["theme"] ?? "";
  select.value = CHOICES.includes(chosen) ? chosen : "auto";
  for (const part of document.querySelectorAll<HTMLElement>("[data-script]")) part.hidden = false;
  select.addEventListener("change", () => {
    remember("theme", select.value);
    show(select.value);
  });
});
