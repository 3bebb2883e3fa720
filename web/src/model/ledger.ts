// The ledger as localgrad/report/embed.py packs it, unpacked into records.
// The fields are those of docs/ledger-format.md.

import { columnReader, type Packed } from "./columns";

export interface Stats {
  size: number;
  norm: number | null;
  rms: number | null;
  mean: number | null;
  minimum: number | null;
  maximum: number | null;
  zeros: number | null;
  nonfinite: number;
  histogram: number[] | null;
  low: number | null;
  high: number | null;
}

export interface Units {
  axis: number | null;
  count: number;
  dead: number;
  saturated: number;
  since: number | null;
}

export interface Formula {
  text: string;
  latex: string | null;
}

export interface LedgerNode {
  id: number;
  op: string;
  kind: "op" | "parameter" | "input" | "loss";
  label: string;
  names: string[];
  formula: Formula | null;
  module: string;
  moduleClass: string;
  where: string | null;
  file: string | null;
  line: number | null;
  function: string | null;
  shape: number[];
  dtype: string;
  value: Stats | null;
  upstream: Stats | null;
  downstream: number[];
  arrived: number[];
  local: string | null;
  birth: string | null;
  birthDetail: string | null;
  absence: string | null;
  balance: number | null;
  units: Units | null;
  slot: number;
  flags: string[];
  step: number | null;
  sweep: number;
}

export interface LedgerEdge {
  id: number;
  source: number;
  consumer: number;
  argument: number;
  name: string;
  size: number;
  norm: number | null;
  rms: number | null;
  share: number | null;
  cosine: number | null;
  gain: number | null;
  cancels: boolean;
  zeros: number | null;
  nonfinite: number;
  reducedAxes: number[];
  cut: boolean;
}

export interface Cut {
  where: string | null;
  reason: string;
  op: string;
  module: string;
  shape: number[];
  source: number | null;
  consumer: number | null;
  parameters: string[];
}

export interface Mutation {
  where: string | null;
  op: string;
  retained_by: string;
  retained_where: string | null;
  module: string;
}

export interface Finding {
  kind: string;
  severity: "error" | "warning" | "note";
  message: string;
  where: string | null;
  node: number | null;
  module: string;
  evidence: Record<string, number | string>;
  advice: string;
}

export interface ModuleInfo {
  path: string;
  class: string;
  group: string;
}

export interface Snippet {
  first_line: number;
  lines: string[];
}

export interface Step {
  step: number;
  loss: number | null;
  upstream: (number | null)[];
  edge: (number | null)[];
  share: (number | null)[];
}

export interface Comparison {
  other: Ledger;
  nodes: Map<number, number>;
  edges: Map<number, number>;
  firstDivergence: number | null;
  message: string;
}

export interface Ledger {
  framework: string;
  level: string;
  title: string;
  created: string;
  loss: number | null;
  nodes: LedgerNode[];
  edges: LedgerEdge[];
  cuts: Cut[];
  mutations: Mutation[];
  findings: Finding[];
  modules: Map<string, ModuleInfo>;
  sources: Map<string, Snippet>;
  steps: Step[];
  stepsRecorded: number;
  compare: Comparison | null;
}

/** A number of the format: null is "not measured", "nan" and "inf" are spelled out. */
export function number(value: unknown): number | null {
  if (typeof value === "number") return value;
  if (value === "nan") return NaN;
  if (value === "inf") return Infinity;
  if (value === "-inf") return -Infinity;
  return null;
}

function rmsOf(norm: number | null, size: number): number | null {
  return norm === null || !size ? null : norm / Math.sqrt(size);
}

const STATS_FIELDS = [
  "size", "norm", "mean", "minimum", "maximum", "zeros", "nonfinite", "histogram", "low", "high",
];

function statsReader(packed: Packed | undefined): (row: number) => Stats | null {
  if (!packed) return () => null;
  const columns = packed as unknown as Record<string, Packed>;
  const read = Object.fromEntries(STATS_FIELDS.map((name) => [name, columnReader(columns[name])]));
  return (row) => {
    const size = number(read.size!(row));
    if (size === null) return null;
    const norm = number(read.norm!(row));
    return {
      size,
      norm,
      rms: rmsOf(norm, size),
      mean: number(read.mean!(row)),
      minimum: number(read.minimum!(row)),
      maximum: number(read.maximum!(row)),
      zeros: number(read.zeros!(row)),
      nonfinite: number(read.nonfinite!(row)) ?? 0,
      histogram: (read.histogram!(row) as number[] | null) ?? null,
      low: number(read.low!(row)),
      high: number(read.high!(row)),
    };
  };
}

type Raw = Record<string, any>;

function unpackNodes(raw: Raw): LedgerNode[] {
  const column = (name: string) => columnReader(raw[name]);
  const ids = column("id");
  const value = statsReader(raw.value);
  const upstream = statsReader(raw.upstream);
  const text = Object.fromEntries(
    ["op", "kind", "label", "names", "formula", "module", "module_class", "where", "file", "line",
      "function", "shape", "dtype", "local", "birth", "birth_detail",
      "absence", "balance", "units", "slot", "flags", "step", "sweep"].map((name) => [name, column(name)]),
  ) as Record<string, (row: number) => any>;
  return Array.from({ length: raw.count as number }, (_, row): LedgerNode => ({
    id: ids(row) as number,
    op: text.op!(row) ?? "",
    kind: text.kind!(row) ?? "op",
    label: text.label!(row) ?? "",
    names: text.names!(row) ?? (text.kind!(row) === "parameter" ? [text.label!(row)] : []),
    formula: text.formula!(row) ?? null,
    module: text.module!(row) ?? "",
    moduleClass: text.module_class!(row) ?? "",
    where: text.where!(row) ?? null,
    file: text.file!(row) ?? null,
    line: text.line!(row) ?? null,
    function: text.function!(row) ?? null,
    shape: text.shape!(row) ?? [],
    dtype: text.dtype!(row) ?? "",
    value: value(row),
    upstream: upstream(row),
    downstream: [],
    arrived: [],
    local: text.local!(row) ?? null,
    birth: text.birth!(row) ?? null,
    birthDetail: text.birth_detail!(row) ?? null,
    absence: text.absence!(row) ?? null,
    balance: number(text.balance!(row)),
    units: text.units!(row) ?? null,
    slot: text.slot!(row) ?? 0,
    flags: text.flags!(row) ?? [],
    step: text.step!(row) ?? null,
    sweep: text.sweep!(row) ?? 0,
  }));
}

function unpackEdges(raw: Raw): LedgerEdge[] {
  const read = Object.fromEntries(
    ["id", "source", "consumer", "argument", "name", "size", "norm", "share", "cosine", "gain",
      "cancels", "zeros", "nonfinite", "reduced_axes", "cut"].map((name) => [name, columnReader(raw[name])]),
  ) as Record<string, (row: number) => any>;
  return Array.from({ length: raw.count as number }, (_, row): LedgerEdge => ({
    id: read.id!(row),
    source: read.source!(row),
    consumer: read.consumer!(row),
    argument: read.argument!(row) ?? 0,
    name: read.name!(row) ?? "",
    size: read.size!(row) ?? 0,
    norm: number(read.norm!(row)),
    rms: rmsOf(number(read.norm!(row)), (read.size!(row) as number) ?? 0),
    share: number(read.share!(row)),
    cosine: number(read.cosine!(row)),
    gain: number(read.gain!(row)),
    cancels: Boolean(read.cancels!(row)),
    zeros: number(read.zeros!(row)),
    nonfinite: read.nonfinite!(row) ?? 0,
    reducedAxes: read.reduced_axes!(row) ?? [],
    cut: Boolean(read.cut!(row)),
  }));
}

function unpackStep(raw: Raw): Step {
  return {
    step: raw.step as number,
    loss: number(raw.loss),
    upstream: (raw.upstream_norm ?? []).map(number),
    edge: (raw.edge_norm ?? []).map(number),
    share: (raw.edge_share ?? []).map(number),
  };
}

/** Each node learns its edges: what it received, and what it sent on. Over a cut nothing arrives. */
function tie(nodes: LedgerNode[], edges: LedgerEdge[]): void {
  for (const edge of edges) {
    if (!edge.cut) nodes[edge.source]!.arrived.push(edge.id);
    nodes[edge.consumer]!.downstream.push(edge.id);
  }
  for (const node of nodes) node.downstream.sort((a, b) => edges[a]!.argument - edges[b]!.argument);
}

export function unpack(raw: Raw): Ledger {
  const compare = raw.compare as Raw | null;
  const nodes = unpackNodes(raw.nodes);
  const edges = unpackEdges(raw.edges);
  tie(nodes, edges);
  return {
    framework: raw.framework ?? "",
    level: raw.level ?? "",
    title: raw.title ?? "",
    created: raw.created ?? "",
    loss: number(raw.loss),
    nodes,
    edges,
    cuts: raw.cuts ?? [],
    mutations: raw.mutations ?? [],
    findings: raw.findings ?? [],
    modules: new Map((raw.modules ?? []).map((item: ModuleInfo) => [item.path, item])),
    sources: new Map(Object.entries(raw.sources ?? {})),
    steps: (raw.steps ?? []).map(unpackStep),
    stepsRecorded: raw.steps_recorded ?? (raw.steps ?? []).length,
    compare: compare && {
      other: unpack(compare),
      nodes: new Map(compare.alignment?.nodes ?? []),
      edges: new Map(compare.alignment?.edges ?? []),
      firstDivergence: compare.first_divergence ?? null,
      message: compare.message ?? "",
    },
  };
}
