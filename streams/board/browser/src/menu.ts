/**
 * Menus of answers: closed by Escape or a click elsewhere, and never opened out of sight. One that is folded waits outside
 * the page until it is opened: for their autofill, browsers read all fields of a page whenever one comes into sight, a
 * millisecond or two each, and nothing is shown meanwhile.
 */

const MENUS = ".answers details[open]";

const folded = new WeakMap<Element, HTMLElement>();

/** Keeps the menu out of the page while it is closed. */
export function fold(details: HTMLDetailsElement, menu: HTMLElement): void {
  folded.set(details, menu);
  if (!details.open) menu.remove();
}

/** Opens the menu at once. */
export function unfold(details: HTMLDetailsElement): void {
  const menu = folded.get(details);
  if (menu && !menu.isConnected) details.append(menu);
  details.open = true;
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !(event.target instanceof Element)) return;
  const open = event.target.closest(MENUS);
  open?.removeAttribute("open");
  open?.querySelector("summary")?.focus();
});

document.addEventListener("pointerdown", (event) => {
  for (const open of document.querySelectorAll(MENUS)) if (!open.contains(event.target as Node)) open.removeAttribute("open");
});

// A toggle does not bubble.
document.addEventListener(
  "toggle",
  ({ target }) => {
    if (!(target instanceof HTMLDetailsElement)) return;
    if (!target.open) folded.get(target)?.remove();
    else if (target.matches(MENUS)) {
      unfold(target);
      target.querySelector(".menu")?.scrollIntoView({ block: "nearest" });
    }
  },
  true,
);
