// Width is log norm; colour is log gain, blue where the gradient shrinks and orange where it
// grows, which people with any of the usual colour blindnesses tell apart.

import { interpolateLab } from "d3-interpolate";
import { scaleLinear } from "d3-scale";

export const THINNEST = 1;
export const THICKEST = 9;
/** Gains beyond these decades look alike. */
export const GAIN_DECADES = 2;

const ENDS = {
  light: { shrinks: ["#0b4f9e", "#5b9bd0"], same: "#b4b8c0", grows: ["#e8a04c", "#b94a00"] },
  dark: { shrinks: ["#4aa8ff", "#3f77ab"], same: "#626a78", grows: ["#c08246", "#ffa647"] },
};

export type Shade = keyof typeof ENDS;

export interface Scales {
  width(norm: number | null): number;
  colour(gain: number | null): string;
  domain: [number, number];
}

export function makeScales(domain: [number, number], shade: Shade): Scales {
  const width = scaleLinear().domain(domain).range([THINNEST, THICKEST]).clamp(true);
  const { shrinks, same, grows } = ENDS[shade];
  const colour = scaleLinear<string>()
    .domain([-GAIN_DECADES, -GAIN_DECADES / 2, 0, GAIN_DECADES / 2, GAIN_DECADES])
    .range([shrinks[0]!, shrinks[1]!, same, grows[0]!, grows[1]!])
    .interpolate(interpolateLab)
    .clamp(true);
  return {
    domain,
    width: (norm) => {
      if (norm === null || norm === 0) return THINNEST;
      if (!Number.isFinite(norm)) return THICKEST * 0.7;
      return width(Math.log10(norm));
    },
    colour: (gain) => {
      if (gain === null || !Number.isFinite(gain)) return same;
      return colour(gain === 0 ? -GAIN_DECADES : Math.log10(Math.abs(gain)));
    },
  };
}
