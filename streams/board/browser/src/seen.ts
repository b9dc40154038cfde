/** What this viewer has seen: each alert's sequence number when it was last looked at. Nobody else's marks change. */

import { user } from "./page";
import type { Alert } from "./row";
import { recall, remember } from "./store";

const KEY = `seen.${user}`;
const MOST = 4_000;

const kept = recall(KEY);
const seen = new Map<string, number>(kept ? (JSON.parse(kept) as [string, number][]) : []);

/** On a first visit everything would be new, which tells nothing: what stands then counts as seen. */
export const first = kept === null;

export type Mark = "" | "new" | "changed" | "withdrawn";

export function markOf(alert: Alert): Mark {
  const known = seen.get(alert.id);
  if (known !== undefined && known >= alert.sequence) return "";
  if (alert.state === "retracted") return known === undefined ? "" : "withdrawn";
  if (!alert.open) return "";
  return known === undefined ? "new" : "changed";
}

export function look(alerts: Iterable<Alert>): void {
  for (const { id, sequence } of alerts) {
    seen.delete(id);
    seen.set(id, sequence);
  }
  remember(KEY, JSON.stringify([...seen].slice(-MOST)));
}
