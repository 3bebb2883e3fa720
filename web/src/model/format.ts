// How numbers, shapes and counts are written for people.

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";

function superscript(value: number): string {
  const digits = String(Math.abs(value)).replace(/\d/g, (digit) => SUPERSCRIPT[Number(digit)]!);
  return (value < 0 ? "⁻" : "") + digits;
}

/** Three significant digits: 0.531, 12.4, 3.2·10⁻⁵, NaN, ∞. Missing values are an en dash. */
export function show(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const magnitude = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  if (magnitude >= 0.001 && magnitude < 10 ** Math.max(5, digits)) {
    const fixed = Number(magnitude.toPrecision(digits));
    return sign + (fixed >= 1000 ? String(Math.round(fixed)) : String(fixed));
  }
  const [mantissa, exponent] = magnitude.toExponential(Math.max(0, digits - 2)).split("e");
  if (Number(mantissa) === 1) return `${sign}10${superscript(Number(exponent))}`;
  return `${sign}${mantissa}·10${superscript(Number(exponent))}`;
}

/** Numbers in a text as the page writes its own: 8.4e-05 as 8.4·10⁻⁵, -3 as −3. Nothing breaks in one. */
export function typeset(text: string): string {
  return text
    .replace(/(\d)e([+-]?\d+)/g, (_, digit: string, power: string) => `${digit}·10${superscript(Number(power))}`)
    .replace(/(^|[\s(×=+])-(?=\d|inf)/g, "$1−")
    .replace(/\binf\b/g, "∞")
    .replace(/\bnan\b/g, "NaN");
}

export function signed(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return value > 0 ? `+${show(value)}` : show(value);
}

export function percent(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return show(value);
  const scaled = value * 100;
  if (scaled === 0) return "0 %";
  const text = Math.abs(scaled) >= 10 ? scaled.toFixed(0) : scaled.toPrecision(2);
  return `${text.replace("-", "−")} %`;
}

export function shape(dimensions: number[]): string {
  return dimensions.length ? dimensions.join("×") : "scalar";
}

export function count(value: number): string {
  return value.toString().replace(/\B(?=(\d{3})+(?!\d))/g, " ");
}

export function plural(value: number, word: string): string {
  return `${count(value)} ${word}${value === 1 ? "" : "s"}`;
}

export function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

/** Keeps the tail, which is where dotted names and paths differ. */
export function shortenLeft(text: string, length: number): string {
  return text.length <= length ? text : `…${text.slice(text.length - length + 1)}`;
}
