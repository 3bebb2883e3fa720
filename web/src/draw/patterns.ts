// The hatching of what is not finite: strong on edges, soft behind text. The colours come from the
// style sheet.

import { s } from "../dom";

export function patterns(): SVGElement {
  return s("defs", {},
    s("pattern", { id: "lg-hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      s("rect", { class: "hatch-ground", width: 6, height: 6 }),
      s("rect", { class: "hatch-stroke", width: 2.6, height: 6 }),
    ),
    s("pattern", { id: "lg-hatch-soft", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      s("rect", { class: "hatch-ground", width: 7, height: 7 }),
      s("rect", { class: "hatch-stroke soft", width: 2, height: 7 }),
    ),
  );
}
