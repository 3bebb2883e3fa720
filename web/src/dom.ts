// Elements are built here and nowhere else. Text always goes through textContent: names, source
// lines and messages come from somebody's model and are never markup.

type Child = Node | string | null | undefined | false;

export interface Attributes {
  class?: string;
  title?: string;
  onclick?: (event: MouseEvent) => void;
  [name: string]: unknown;
}

function apply(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on") && typeof value === "function") {
      element.addEventListener(name.slice(2), value as EventListener);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

function append(element: Element, children: Child[]): void {
  for (const child of children) if (child) element.append(child);
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes: Attributes = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  apply(element, attributes);
  append(element, children);
  return element;
}

export function s<K extends keyof SVGElementTagNameMap>(
  tag: K, attributes: Attributes = {}, ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  apply(element, attributes);
  append(element, children);
  return element;
}

/** Line icons, 16 × 16, drawn with the text's colour. */
const ICONS = {
  search: "M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 0 0 0-9M10.4 10.4L14 14",
  filter: "M2 3.5h12M4.5 8h7M7 12.5h2",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  image: "M2 3h12v10H2zM2 11l3.5-3.5l3 3l2-2L14 12M10.5 6h.01",
  link: "M6.5 9.5l3-3M7.5 4.5l1.2-1.2a2.8 2.8 0 0 1 4 4L11.5 8.5M8.5 11.5l-1.2 1.2a2.8 2.8 0 0 1-4-4L4.5 7.5",
  sun: "M8 5a3 3 0 1 0 0 6a3 3 0 0 0 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  open: "M4 6l4-4l4 4M4 10l4 4l4-4",
  shut: "M4 2l4 4l4-4M4 14l4-4l4 4",
  fit: "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  route: "M3 13a1.5 1.5 0 1 0 0-.01M13 3a1.5 1.5 0 1 0 0-.01M4.5 13H9a2.5 2.5 0 0 0 0-5H7a2.5 2.5 0 0 1 0-5h4.5",
  play: "M4.5 2.5l8.5 5.5l-8.5 5.5z",
  pause: "M5 3v10M11 3v10",
  help: "M6 6a2 2 0 1 1 2.8 1.8c-.6.3-.8.7-.8 1.4M8 11.8v.01M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13",
  expand: "M5 6l3 3l3-3",
  text: "M3 3h10M3 6.5h10M3 10h6",
  panel: "M2 3h12v10H2zM10 3v10",
} as const;

export type IconName = keyof typeof ICONS;

export function icon(name: IconName): SVGElement {
  return s("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));
}

export function clear(element: Element): void {
  element.replaceChildren();
}
