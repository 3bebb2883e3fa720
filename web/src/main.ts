// Two ways in: a page that carries its ledger (localgrad/report/html.py), and a notebook widget
// (anywidget calls `render`).

import "uplot/dist/uPlot.min.css";
import "./style/index.css";
import { App } from "./app";
import { commands } from "./commands";
import { unpack } from "./model/ledger";
import { filterMenu } from "./parts/filter_menu";
import { header } from "./parts/header";
import { Help } from "./parts/help";
import { listen } from "./parts/keyboard";
import { SearchBox } from "./parts/search_box";

function mount(root: HTMLElement, raw: Record<string, unknown>, page: boolean): void {
  root.classList.add("localgrad");
  const app = new App(root, unpack(raw), page);
  const search = new SearchBox(app);
  const filters = filterMenu(app);
  const keys = commands(app, {
    search: () => {
      filters.close();
      search.focus();
    },
    filter: () => filters.toggle(),
    help: () => {
      filters.close();
      help.toggle();
    },
    dismiss: () => {
      const open = !help.element.hidden || filters.open;
      help.close();
      filters.close();
      return open;
    },
  });
  const help = new Help(keys);
  root.prepend(header(app, search, filters, () => help.toggle(), page));
  root.append(help.element);
  listen(page ? document : root, keys);
}

interface WidgetModel {
  get(name: string): unknown;
}

function render({ model, el }: { model: WidgetModel; el: HTMLElement }): void {
  const root = document.createElement("div");
  root.style.height = `${Number(model.get("height")) || 720}px`;
  root.classList.add("embedded");
  el.append(root);
  mount(root, JSON.parse(String(model.get("document"))) as Record<string, unknown>, false);
}

const carried = document.getElementById("localgrad-ledger");
const host = document.getElementById("localgrad-view");
if (carried && host) mount(host, JSON.parse(carried.textContent ?? "") as Record<string, unknown>, true);

export default { render };
