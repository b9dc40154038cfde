/** Which rows are shown. What is searched for stays in the page: a name has no place in an address. */

import { element } from "./page";
import type { Row } from "./row";

const box = element("#find", HTMLInputElement);
const kind = element("#kind", HTMLSelectElement);

export function matches(row: Row): boolean {
  const text = box.value.trim().toLowerCase();
  return (kind.value === "" || row.kinds.includes(kind.value)) && row.find.includes(text);
}

export function onFilter(changed: () => void): void {
  box.addEventListener("input", changed);
  kind.addEventListener("change", changed);
}
