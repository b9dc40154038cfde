/** The server's time, and how an instant and an age are written. The page's own computer may be wrong about the time. */

import { root, word, zone } from "./page";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

let offset = Number(root.dataset["clock"]) - Date.now();

export function now(): number {
  return Date.now() + offset;
}

export function set(at: number): void {
  offset = at - Date.now();
}

// British, whatever the language: Danish hospitals write 14:05, the Danish locale 14.05.
const HM = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const HMS = new Intl.DateTimeFormat("en-GB", { timeZone: zone, timeStyle: "medium", hourCycle: "h23" });
const DM = new Intl.DateTimeFormat("en-GB", { timeZone: zone, day: "numeric", month: "numeric" });

export function seconds(at: number): string {
  return HMS.format(at);
}

/** With the date when it was not today. */
export function stamp(at: number): string {
  return DM.format(at) === DM.format(now()) ? HM.format(at) : `${DM.format(at)} ${HM.format(at)}`;
}

export function span(ms: number): string {
  if (ms < MINUTE) return word("under_a_minute");
  if (ms < 2 * HOUR) return word("minutes", { n: Math.floor(ms / MINUTE) });
  if (ms < 2 * DAY) return word("hours", { n: Math.floor(ms / HOUR) });
  return word("days", { n: Math.floor(ms / DAY) });
}

/** How long ago, or for what is still to come: in how long. */
export function distance(name: string, at: number, against: number): string {
  if (name !== "escalates") return `(${span(Math.max(0, against - at))})`;
  return at <= against ? word("now") : word("in", { span: span(at - against) });
}
