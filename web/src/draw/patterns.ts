// The hatching of what is not finite. One pattern, whose colours come from the style sheet.

import { s } from "../dom";

export function patterns(): SVGElement {
  return s("defs", {},
    s("pattern", { id: "lg-hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      s("rect", { class: "hatch-ground", width: 6, height: 6 }),
      s("rect", { class: "hatch-stroke", width: 2.6, height: 6 }),
    ),
  );
}
