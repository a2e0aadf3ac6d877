// The console's shell: which view is shown, keys, theme, and the refresh of what is visible.
// A view is `(parameters, shell) => {root, refresh?(signal), every?, keys?}`.

import { clock, get, h, memory, Refused } from "./dom.js";
import { clusterView } from "./cluster.js";
import { queryView } from "./query.js";
import { tableView, tablesView } from "./tables.js";
import { newTableView } from "./new-table.js";

const ROUTES = [
  [/^#\/query$/, "query", queryView],
  [/^#\/tables$/, "tables", tablesView],
  [/^#\/tables\/([^/]+)(?:\/(\w+))?$/, "tables", tableView],
  [/^#\/cluster$/, "cluster", clusterView],
  [/^#\/new$/, "new", newTableView],
];
const main = document.getElementById("view");
const pulse = document.getElementById("pulse");
const dialog = document.getElementById("dialog");

let current = null;
let running = null;
let timer;
let updated = 0;

/** Asks before something is done that others notice. */
function confirm(title, text, action) {
  return new Promise((resolve) => {
    const yes = h("button", { class: "main", type: "submit", value: "yes" }, action);
    dialog.replaceChildren(h("form", { method: "dialog" }, h("h2", null, title), h("p", { class: "dim" }, text),
      h("div", { class: "row" }, h("button", { type: "submit", value: "no" }, "Cancel"), yes)));
    dialog.returnValue = "no";
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
    dialog.showModal();
    yes.focus();
  });
}

async function refresh() {
  clearTimeout(timer);
  running?.abort();
  const view = current;
  if (!view?.refresh) { pulse.textContent = ""; return; }
  const own = new AbortController();
  running = own;
  try {
    await view.refresh(own.signal);
    if (own.signal.aborted) return;
    updated = Date.now();
    pulse.className = pulse.title = "";
    pulse.textContent = view.every ? `live, every ${view.every / 1000} s` : "up to date";
  } catch (error) {
    if (own.signal.aborted || error.name === "AbortError") return;
    pulse.className = "lost";
    pulse.title = error.message;
    if (error instanceof Refused) pulse.textContent = `${error.line}: HTTP ${error.status}`;
    else pulse.textContent = updated ? `no answer since ${clock(updated)}` : "no answer";
  }
  if (view.every && view === current) timer = setTimeout(() => { if (!document.hidden) refresh(); }, view.every);
}

function show() {
  const hash = location.hash || "#/query";
  const found = ROUTES.map(([pattern, name, make]) => [pattern.exec(hash), name, make]).find(([match]) => match);
  if (!found) { location.hash = "#/query"; return; }
  const [match, name, make] = found;
  let parameters;
  try { parameters = match.slice(1).map((text) => text && decodeURIComponent(text)); } catch { location.hash = "#/query"; return; }
  running?.abort();
  clearTimeout(timer);
  current?.close?.();
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  current = make(parameters, { refresh, confirm });
  document.title = `${parameters[0] ?? name} · Touriga`;
  main.replaceChildren(current.root);
  current.shown?.();
  refresh();
}

// Light, dark, or as the system says.
const systemDark = matchMedia("(prefers-color-scheme: dark)");
function applyTheme() {
  const wanted = memory.get("theme", "auto");
  document.documentElement.dataset.theme = wanted === "auto" ? (systemDark.matches ? "dark" : "light") : wanted;
  document.getElementById("theme").textContent = `${wanted} theme`;
}
function nextTheme() {
  const order = ["auto", "light", "dark"];
  memory.set("theme", order[(order.indexOf(memory.get("theme", "auto")) + 1) % 3]);
  applyTheme();
}
systemDark.addEventListener("change", applyTheme);

const KEYS = [
  ["g q", "Query"], ["g t", "Tables"], ["g c", "Cluster"], ["g n", "New table"],
  ["Ctrl Enter", "run the query"], ["Ctrl Space", "complete"], ["e", "to the editor"], ["h", "history of queries"],
  ["/", "filter"], ["j k", "next, previous row"], ["Enter", "open the row"], ["r", "refresh"], ["t", "light or dark"], ["Esc", "leave a field, close"],
];
function help() {
  dialog.onclose = null;
  dialog.replaceChildren(h("h2", null, "Keys"), h("dl", null, KEYS.map(([keys, what]) => [
    h("dt", null, keys.split(" ").map((key, at) => [at ? " " : "", h("kbd", null, key)])), h("dd", null, what),
  ])), h("form", { method: "dialog" }, h("div", { class: "row" }, h("button", null, "Close"))));
  dialog.showModal();
}

const GO = { q: "#/query", t: "#/tables", c: "#/cluster", n: "#/new" };
let leading = 0;
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (typing && event.key === "Escape") event.target.blur();
  if (typing || dialog.open || event.ctrlKey || event.metaKey || event.altKey) return;
  const after = Date.now() - leading < 1200;
  leading = 0;
  if (after && GO[event.key]) { event.preventDefault(); location.hash = GO[event.key]; return; }
  const filter = main.querySelector("input[type=search]");
  const act = {
    g: () => { leading = Date.now(); },
    "?": help,
    t: nextTheme,
    r: refresh,
    "/": () => filter?.focus(),
    j: () => step(1),
    k: () => step(-1),
  }[event.key] ?? current?.keys?.[event.key];
  if (act) { event.preventDefault(); act(); }
  else if (event.key === "Enter" && event.target === document.body) main.querySelector("tr[aria-selected] a")?.click();
});

function step(by) {
  const rows = [...main.querySelectorAll("tbody tr[data-row]")];
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row.hasAttribute("aria-selected"));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by))];
  rows[at]?.removeAttribute("aria-selected");
  next.setAttribute("aria-selected", "true");
  next.scrollIntoView({ block: "nearest" });
  document.activeElement?.blur();
}

document.getElementById("theme").addEventListener("click", nextTheme);
document.getElementById("help").addEventListener("click", help);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
window.addEventListener("hashchange", show);
applyTheme();
show();
get("/cluster/info").then((info) => { document.getElementById("where").textContent = info?.clusterName ?? ""; }).catch(() => {});
