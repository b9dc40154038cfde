/**
 * Answers to alerts. Each is a form that works without script; with it the page shows the answer at once, and takes it
 * back with a sentence when it is refused or when the alert's change does not come back.
 */

import { token, word } from "./page";
import { say } from "./say";

const BACK_MS = 10_000;

interface Pending {
  box: HTMLElement;
  sequence: number;
  timer: number;
}

const pending = new Map<string, Pending>();
let reason = "";

/** Disables all answers while there is a reason for it, which is given as a text. */
export function hold(why: string): void {
  reason = why;
  for (const fields of document.querySelectorAll<HTMLFieldSetElement>("fieldset.answers")) refresh(fields);
}

/** The alert's newest sequence number has been seen: an answer that waited for it has arrived. */
export function arrived(id: string, sequence: number): void {
  const waiting = pending.get(id);
  if (waiting && sequence > waiting.sequence) finish(id, "");
}

/** Takes back what was said of an earlier answer. */
export function silence(box: HTMLElement): void {
  if (box.dataset["pending"] === undefined) tell(box, "");
}

export function refresh(fields: HTMLFieldSetElement): void {
  fields.disabled = reason !== "" || fields.closest<HTMLElement>("[data-box]")?.dataset["pending"] !== undefined;
  fields.title = reason;
}

function finish(id: string, message: string): void {
  const waiting = pending.get(id);
  if (!waiting) return;
  window.clearTimeout(waiting.timer);
  pending.delete(id);
  delete waiting.box.dataset["pending"];
  tell(waiting.box, message);
  if (message) say(message);
}

function tell(box: HTMLElement, text: string): void {
  const line = box.querySelector<HTMLElement>("[data-said]");
  if (line) {
    line.textContent = text;
    line.hidden = text === "";
  }
  const fields = box.querySelector<HTMLFieldSetElement>("fieldset.answers");
  if (fields) refresh(fields);
}

async function send(form: HTMLFormElement, body: FormData, box: HTMLElement): Promise<void> {
  const id = String(body.get("alert"));
  const action = String(body.get("action"));
  const timer = window.setTimeout(() => finish(id, word("answer_did_not_come_back")), BACK_MS);
  pending.set(id, { box, sequence: Number(box.dataset["sequence"]), timer });
  if (box.contains(document.activeElement)) box.querySelector<HTMLElement>("[data-home]")?.focus();
  box.querySelector("details[open]")?.removeAttribute("open");
  box.dataset["pending"] = action;
  tell(box, word(`doing_${action}`));
  // So that one that is sent twice counts once. Browsers have this only where the line is safe.
  if (window.isSecureContext) body.set("answer", crypto.randomUUID());
  try {
    const answer = await fetch("/answer", {
      method: "POST",
      headers: { Accept: "application/json", "X-Vagt-Token": token },
      body,
    });
    if (!answer.ok) finish(id, await refusal(answer));
    // It changes nothing of the alert, so nothing comes back.
    else if (action === "comment") finish(id, word("noted"));
    if (answer.ok) form.reset();
  } catch {
    finish(id, word("answer_failed"));
  }
}

async function refusal(answer: Response): Promise<string> {
  try {
    const { error } = (await answer.json()) as { error?: string };
    return error ?? word("answer_failed");
  } catch {
    return word("answer_failed");
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  // Not form.action: a button of that name hides it.
  if (!(form instanceof HTMLFormElement) || form.getAttribute("action") !== "/answer") return;
  const box = form.closest<HTMLElement>("[data-box]");
  if (!box) return;
  event.preventDefault();
  if (reason) say(reason);
  else void send(form, new FormData(form, event.submitter), box);
});
