/** What the server says of a patient, in the stream. Instants are in ms since the epoch. */

export type Band = "critical" | "warning" | "info" | "none" | "unknown";

export interface Alert {
  id: string;
  sequence: number;
  kind: string;
  severity: string;
  state: string;
  title: string;
  open: boolean;
}

export interface Row {
  handle: string;
  band: Band;
  order: string;
  ward: string;
  kinds: string[];
  find: string;
  /** The instant to measure ages against, for a replay; null for the page's clock. */
  now: number | null;
  /** Texts by the name of the element that shows them; an empty one is not shown. */
  f: Record<string, string>;
  t: Record<string, number | null>;
  /** The first is the one that the row speaks of. */
  alerts: Alert[];
}

// Not localeCompare: the server's keys are made to be sorted by their characters.
export function byNeed(a: Row, b: Row): number {
  return a.order < b.order ? -1 : a.order > b.order ? 1 : 0;
}

export interface Trust {
  state: "ok" | "loading" | "late" | "lost";
  text: string;
}

export interface Change {
  rows: Row[];
  gone: string[];
  whole: boolean;
}

export interface Pulse {
  at: number;
  trust: Trust;
}
