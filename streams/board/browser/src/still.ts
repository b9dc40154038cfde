/** A page that is read, or printed, as it was; it says when it is no longer so. */

import { element, root } from "./page";
import { listen } from "./stream";
import { beat, watch } from "./trust";

const fresh = element("#fresh", HTMLElement);

document.querySelector("#print")?.addEventListener("click", () => window.print());
element("#fresh button", HTMLButtonElement).addEventListener("click", () => location.reload());
watch();
listen(root.dataset["ward"] ?? "", ({ whole }) => (fresh.hidden = whole && fresh.hidden), beat);
