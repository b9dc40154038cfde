/** The one stream of the page: closed when nobody has looked for five minutes, opened again when somebody does. */

import type { Change, Pulse } from "./row";

const HIDDEN_MS = 5 * 60_000;
const AGAIN_MS = 3_000;

export function listen(ward: string, changed: (change: Change) => void, beat: (pulse: Pulse) => void): void {
  const url = `/stream?${new URLSearchParams({ ward })}`;
  let source: EventSource | null = null;
  let closing = 0;

  function open(): void {
    window.clearTimeout(closing);
    if (source && source.readyState !== EventSource.CLOSED) return;
    source = new EventSource(url);
    source.addEventListener("rows", (event: MessageEvent<string>) => changed(JSON.parse(event.data) as Change));
    source.addEventListener("pulse", (event: MessageEvent<string>) => beat(JSON.parse(event.data) as Pulse));
    // The session is over: the page shows nothing more, and asks who is there.
    source.addEventListener("over", () => location.reload());
    // A browser tries again by itself after a broken line, but never after an answer that is no stream.
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) window.setTimeout(open, AGAIN_MS);
    });
  }

  function close(): void {
    source?.close();
    source = null;
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) closing = window.setTimeout(close, HIDDEN_MS);
    else open();
  });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) open();
  });
  open();
}
