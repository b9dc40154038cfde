/** What this browser remembers of its viewer. A browser that forbids it forgets, and the page works on. */

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(`vagt.${key}`);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`vagt.${key}`, value);
  } catch {
    // Forbidden or full.
  }
}
