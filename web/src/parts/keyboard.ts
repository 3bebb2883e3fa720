// Everything can be done without a pointer.

export interface Command {
  keys: string[];
  help: string;
  run: (key: string) => void;
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.matches("input:not([type=range]):not([type=checkbox]), textarea, select") || target.isContentEditable);
}

export function listen(host: HTMLElement | Document, commands: Command[]): void {
  const byKey = new Map(commands.flatMap((command) => command.keys.map((key) => [key, command] as const)));
  host.addEventListener("keydown", (raw) => {
    const event = raw as KeyboardEvent;
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.composedPath()[0] ?? null)) return;
    const target = event.composedPath()[0];
    const onControl = target instanceof HTMLElement && target.matches("button, input");
    if (onControl && (event.key === "Enter" || event.key === " " || (target.matches("input") && event.key.startsWith("Arrow")))) return;
    const command = byKey.get(event.key);
    if (!command) return;
    event.preventDefault();
    command.run(event.key);
  });
}
