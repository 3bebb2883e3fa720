// A sheet as Markdown. Cells are escaped, so that a hostile name stays a name there too.

import type { Section, Sheet } from "./sections";
import { textOf, type CellLike } from "./sections";

function escape(text: string): string {
  return text.replace(/[\\`*_{}[\]<>|#]/g, (mark) => `\\${mark}`).replace(/\s*\n\s*/g, " ");
}

function row(cells: CellLike[]): string {
  return `| ${cells.map((cell) => escape(textOf(cell))).join(" | ")} |`;
}

/** A fence longer than any run of backticks inside. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((found) => found[0].length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

function section(part: Section): string {
  const heading = "heading" in part && part.heading ? `### ${escape(part.heading)}\n\n` : "";
  switch (part.kind) {
    case "table": {
      const rows = part.footer ? [...part.rows, part.footer] : part.rows;
      const lines = [row(part.columns), `|${part.columns.map(() => "---").join("|")}|`, ...rows.map(row)];
      return heading + lines.join("\n") + (part.note ? `\n\n${escape(part.note)}` : "");
    }
    case "facts":
      return heading + part.facts.map(([name, value]) => `- ${escape(name)}: ${escape(textOf(value))}`).join("\n");
    case "formula":
      return heading + fenced([...part.rules.map((rule) => rule.text), ...part.local.flatMap(({ title, lines }) => [title, ...lines])].join("\n"));
    case "source": {
      const lines = part.lines.map((line, index) => {
        const at = part.first + index;
        return `${at === part.marked ? ">" : " "} ${String(at).padStart(4)}  ${line}`;
      });
      return heading + fenced(lines.join("\n"));
    }
    case "notice": {
      const evidence = (part.evidence ?? []).map(([name, value]) => `${name} ${value}`).join(", ");
      const lines = [`**${escape(part.title)}** (${part.tone}): ${escape(part.text)}`, evidence && escape(evidence), part.advice && `*${escape(part.advice)}*`];
      return lines.filter(Boolean).join("\n\n");
    }
    case "text":
      return heading + escape(part.text);
    case "histogram":
    case "series":
      return "";
  }
}

export function toMarkdown(sheet: Sheet): string {
  const head = [`## ${escape(sheet.title)}`, [sheet.kicker, sheet.where, ...sheet.tags].filter(Boolean).map((text) => escape(text!)).join(" · "), escape(sheet.subtitle)];
  return [...head, ...sheet.sections.map(section)].filter(Boolean).join("\n\n") + "\n";
}
