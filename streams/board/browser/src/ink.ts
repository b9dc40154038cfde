/** The theme's colours for a canvas, which knows nothing of style sheets. */

const probe = document.createElement("i");
probe.hidden = true;
document.body.append(probe);

let inks = new Map<string, string>();

export function ink(name: string): string {
  let found = inks.get(name);
  if (found === undefined) {
    probe.style.setProperty("color", `var(${name})`);
    found = getComputedStyle(probe).color;
    inks.set(name, found);
  }
  return found;
}

/** Calls back when the theme has changed, by the switch or with the computer's. */
export function onTheme(changed: () => void): void {
  const forget = () => {
    inks = new Map();
    changed();
  };
  new MutationObserver(forget).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", forget);
}
