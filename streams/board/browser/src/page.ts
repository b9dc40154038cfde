/** What the server wrote into the page for the scripts. */

export const root = document.documentElement;

export function element<T extends HTMLElement>(selector: string, type: new () => T): T {
  const found = document.querySelector(selector);
  if (!(found instanceof type)) throw new Error(`the page has no ${selector}`);
  return found;
}

const texts = JSON.parse(element("#words", HTMLScriptElement).text) as Record<string, string>;

/** A text of the page's language, with what stands in braces filled in. */
export function word(name: string, values: Record<string, string | number> = {}): string {
  const text = texts[name] ?? name;
  return text.replace(/\{(\w+)\}/g, (braced, key: string) => String(values[key] ?? braced));
}

export const token = root.dataset["token"] ?? "";
export const user = root.dataset["user"] ?? "";
export const zone = root.dataset["zone"] ?? "Europe/Copenhagen";
