// LaTeX as MathML, which browsers draw by themselves: no fonts, no markup from strings. What Temml
// cannot read stays text.

import temml from "temml/temml.js"; // without the extensions for chemistry and physics

const known = new Map<string, Element | null>();

function made(latex: string): Element | null {
  const host = document.createElement("span");
  try {
    temml.render(latex, host, { throwOnError: true, trust: false, displayMode: true, wrap: "tex", maxSize: [8, 8], maxExpand: 100 });
  } catch {
    return null;
  }
  return host.firstElementChild;
}

/** A new `<math>` element, or null where the LaTeX cannot be read. */
export function mathOf(latex: string): Element | null {
  if (!known.has(latex)) known.set(latex, made(latex));
  return (known.get(latex)?.cloneNode(true) as Element | undefined) ?? null;
}
