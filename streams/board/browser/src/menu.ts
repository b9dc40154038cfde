/** Menus of answers: closed by Escape or a click elsewhere, and never opened out of sight. */

const MENUS = ".answers details[open]";

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
  (event) => {
    if (event.target instanceof Element && event.target.matches(MENUS))
      event.target.querySelector(".menu")?.scrollIntoView({ block: "nearest" });
  },
  true,
);
