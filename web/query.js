// The query view: editor, schema at the side, results as rows or chart, history.
// Everything that came back stays in memory; sorting and copying ask the server nothing.

import { copy, count, duration, each, failure, get, h, memory, part, post, Refused, toast } from "./dom.js";
import { chart } from "./chart.js";
import { editor } from "./editor.js";

const NUMERIC = /^(INT|LONG|FLOAT|DOUBLE|BIG_DECIMAL)$/;
const ROW = 24;
const HISTORY = 200;
const schemas = new Map();

/** Tables with their columns, remembered between visits. */
async function loadSchemas(signal) {
  const { tables = [] } = await get("/tables", signal);
  for (const known of schemas.keys()) if (!tables.includes(known)) schemas.delete(known);
  await each(tables, async (table) => {
    if (schemas.has(table)) return;
    try {
      const schema = await get(`/tables/${part(table)}/schema`, signal);
      schemas.set(table, ["dimensionFieldSpecs", "metricFieldSpecs", "dateTimeFieldSpecs", "complexFieldSpecs"]
        .flatMap((kind) => schema[kind] ?? []).map((field) => ({ name: field.name, type: `${field.dataType}${field.singleValueField === false ? "[]" : ""}` })));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      schemas.set(table, []);
    }
  });
  return tables;
}

const quoted = (name) => (/^[A-Za-z_][\w]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

/** Where the parser says the trouble is, one-based. */
function position(message) {
  const found = /(?:from|at) line:? (\d+),? column:? (\d+)(?: to line:? (\d+),? column:? (\d+))?/i.exec(message);
  return found && found.slice(1).map((text) => (text === undefined ? undefined : Number(text)));
}

const csvCell = (value) => {
  const text = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
const shown = (value) => (value === null ? "null" : typeof value === "object" ? JSON.stringify(value) : String(value));

/** A table that draws only the rows in sight. */
function grid({ names, types, rows }, scroller) {
  const order = rows.map((_, at) => at);
  let sorted = null;
  const numeric = types.map((type) => NUMERIC.test(type));
  const sample = rows.slice(0, 200);
  const wide = names.map((name, at) => Math.min(60, Math.max(8, name.length + 3, types[at].length, ...sample.map((row) => shown(row[at]).length + 1))));
  const digits = String(rows.length).length + 1;
  const columns = h("colgroup", null, h("col", { style: `width:calc(${digits}ch + 22px)` }), wide.map((n) => h("col", { style: `width:calc(${n}ch + 21px)` })));
  const body = h("tbody");
  const heads = names.map((name, at) => h("th", { "data-sort": "", class: numeric[at] ? "num" : "", title: `${name} ${types[at]}: click to sort`, onclick: () => sort(at) }, name, h("small", null, types[at])));
  const table = h("table", { class: "grid" }, columns, h("thead", null, h("tr", null, h("th", { class: "no" }), heads)), body);
  const cell = (value, at) => {
    const text = shown(value);
    return h("td", { class: value === null ? "null" : numeric[at] ? "num" : "", title: text.length > 40 ? text : null }, text);
  };
  let drawn = "";
  function draw(force) {
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW) - 20);
    const last = Math.min(rows.length, first + Math.ceil(scroller.clientHeight / ROW) + 60);
    const key = `${Math.floor(first / 10)}:${Math.floor(last / 10)}`;
    if (!force && key === drawn) return;
    drawn = key;
    const pad = (n) => h("tr", { class: "pad" }, h("td", { colspan: names.length + 1, style: `height:${n * ROW}px` }));
    body.replaceChildren(pad(first), ...order.slice(first, last).map((at, offset) => h("tr", null,
      h("td", { class: "no" }, first + offset + 1), names.map((_, column) => cell(rows[at][column], column)))), pad(rows.length - last));
  }
  function sort(column) {
    const down = sorted?.column === column && !sorted.down;
    const back = sorted?.column === column && sorted.down;
    sorted = back ? null : { column, down };
    order.sort((a, b) => a - b);
    if (sorted) {
      const compare = numeric[column] ? (a, b) => Number(a) - Number(b) : (a, b) => (shown(a) < shown(b) ? -1 : shown(a) > shown(b) ? 1 : 0);
      order.sort((a, b) => {
        const [x, y] = [rows[a][column], rows[b][column]];
        if (x === null || y === null) return (x === null) - (y === null) || a - b;
        return (down ? -compare(x, y) : compare(x, y)) || a - b;
      });
    }
    heads.forEach((head, at) => (sorted?.column === at ? head.setAttribute("aria-sort", down ? "descending" : "ascending") : head.removeAttribute("aria-sort")));
    draw(true);
  }
  return { table, draw, csv: () => [names.map(csvCell).join(","), ...order.map((at) => rows[at].map(csvCell).join(","))].join("\n") };
}

/** Which columns make sense as axes: the first that is no measure, against all measures. */
function axes({ names, types, rows }) {
  const timeLike = names.findIndex((name, at) => types[at] === "TIMESTAMP" || (/time|date|day|hour|minute|week|month|year|_at$|^ts$/i.test(name) && names.length > 1));
  const text = types.findIndex((type) => !NUMERIC.test(type));
  const x = timeLike >= 0 ? timeLike : text >= 0 ? text : names.length > 1 ? 0 : -1;
  const measures = names.map((_, at) => at).filter((at) => at !== x && NUMERIC.test(types[at])).slice(0, 6);
  const limit = rows.slice(0, timeLike >= 0 ? 2000 : 200);
  const ordered = timeLike >= 0 ? [...limit].sort((a, b) => (Number(a[x]) || Date.parse(a[x])) - (Number(b[x]) || Date.parse(b[x]))) : limit;
  const at = (value) => (typeof value === "number" ? value : Date.parse(value));
  const millis = timeLike >= 0 && ordered.every((row) => at(row[x]) > 1e11);
  const label = (row, n) => (x < 0 ? String(n + 1) : millis ? moment(at(row[x])) : shown(row[x]));
  const sameDay = millis && new Set(ordered.map((row) => new Date(at(row[x])).toDateString())).size === 1;
  const moment = (ms) => new Date(ms).toISOString().slice(sameDay ? 11 : 0, sameDay ? 19 : 16).replace("T", " ").replace(/:00$/, sameDay ? "" : ":00");
  return {
    kind: timeLike >= 0 ? "line" : "bar",
    cut: rows.length > limit.length ? limit.length : 0,
    labels: ordered.map(label),
    positions: timeLike >= 0 && ordered.every((row) => Number.isFinite(at(row[x]))) ? ordered.map((row) => at(row[x])) : null,
    series: measures.map((m) => ({ name: names[m], values: ordered.map((row) => (row[m] === null ? NaN : Number(row[m]))) })),
  };
}

/** The view. */
export function queryView() {
  const history = memory.get("history", []);
  const settings = memory.get("settings", {});
  let abort = null;
  let result = null;
  let drawn = null;
  let asChart = false;
  let kind = null;

  const mentioned = (table) => new RegExp(`\\b${table.replace(/[^\w]/g, ".")}\\b`).test(sql.value);
  const names = () => {
    return [...schemas].flatMap(([table, columns]) => {
      const near = mentioned(table);
      return [{ name: table, kind: "table", near: true }, ...columns.map((column) => ({ name: column.name, kind: column.type, near }))];
    });
  };
  const sql = editor({ value: memory.get("draft", ""), names, onrun: () => run(), onchange: (text) => memory.set("draft", text) });
  const multistage = h("input", { type: "checkbox", checked: settings.multistage ?? false, onchange: keep });
  const nulls = h("input", { type: "checkbox", checked: settings.nulls ?? false, onchange: keep });
  const timeout = h("input", { type: "number", min: "1", step: "1000", placeholder: "default", value: settings.timeout ?? "", onchange: keep, "aria-label": "Timeout in milliseconds" });
  const runButton = h("button", { class: "main", type: "button", onclick: () => (abort ? abort.abort() : run()) }, "Run", h("kbd", null, "Ctrl ⏎"));
  const rowsButton = h("button", { type: "button", "aria-pressed": "true", onclick: () => mode(false) }, "Rows");
  const chartButton = h("button", { type: "button", "aria-pressed": "false", onclick: () => mode(true) }, "Chart");
  const stats = h("div", { class: "stats" });
  const out = h("div", { class: "out", onscroll: () => !asChart && drawn?.draw(false) });
  const side = h("div");
  const filter = h("input", { type: "search", placeholder: "Tables, columns", "aria-label": "Filter tables and columns", oninput: drawSide });

  function keep() { memory.set("settings", { multistage: multistage.checked, nulls: nulls.checked, timeout: timeout.value }); }

  function drawSide() {
    const wanted = filter.value.toLowerCase();
    const open = new Set([...side.querySelectorAll("details[open]")].map((one) => one.dataset.table));
    if (!side.hasChildNodes()) [...schemas.keys()].filter(mentioned).forEach((table) => open.add(table));
    side.replaceChildren(...[...schemas].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([table, columns]) => {
      const inside = columns.filter((column) => table.toLowerCase().includes(wanted) || column.name.toLowerCase().includes(wanted));
      if (wanted && inside.length === 0 && !table.toLowerCase().includes(wanted)) return [];
      return h("details", { "data-table": table, open: wanted !== "" || open.has(table) || schemas.size === 1 }, h("summary", { title: `${table}: double click to look at it`, ondblclick: () => look(table) }, table),
        inside.map((column) => h("button", { class: "col", type: "button", title: `${column.name} ${column.type}`, onmousedown: (event) => event.preventDefault(), onclick: () => sql.insert(quoted(column.name)) }, h("span", null, column.name), h("span", null, column.type.toLowerCase()))));
    }));
    if (schemas.size === 0) side.replaceChildren(h("div", { class: "empty", style: "padding:8px 12px" }, "No tables yet. ", h("a", { class: "link", href: "#/new" }, "Create one")));
  }
  function look(table) {
    sql.value = `SELECT * FROM ${quoted(table)} LIMIT 100`;
    run();
  }

  function mode(chartWanted) {
    asChart = chartWanted;
    rowsButton.setAttribute("aria-pressed", String(!asChart));
    chartButton.setAttribute("aria-pressed", String(asChart));
    if (result) drawResult();
  }
  function drawResult() {
    const keepErrors = [...out.querySelectorAll(":scope > .error")];
    if (!asChart) {
      drawn = grid(result, out);
      out.replaceChildren(...keepErrors, drawn.table);
      drawn.draw(true);
      return;
    }
    const plan = axes(result);
    const chosen = kind ?? plan.kind;
    const pick = ["bar", "line"].map((one) => h("button", { type: "button", class: "quiet", "aria-pressed": String(one === chosen), onclick: () => { kind = one; drawResult(); } }, one));
    out.replaceChildren(...keepErrors, h("div", { class: "chart" }, h("div", { class: "legend" }, pick, plan.cut ? `the first ${count(plan.cut)} of ${count(result.rows.length)} rows` : "", plan.series.length === 1 ? plan.series[0].name : ""),
      chart({ ...plan, kind: chosen, positions: chosen === "line" ? plan.positions : null, width: Math.max(320, out.clientWidth - 28), height: Math.max(180, out.clientHeight - 70) })));
  }

  async function run(prefix = "") {
    const text = sql.value;
    if (text.trim() === "") return;
    abort?.abort();
    const own = new AbortController();
    abort = own;
    remember(text.trim());
    runButton.firstChild.data = "Cancel";
    stats.replaceChildren("running …");
    const options = [multistage.checked && "useMultistageEngine=true", nulls.checked && "enableNullHandling=true", timeout.value && `timeoutMs=${timeout.value}`].filter(Boolean);
    const started = performance.now();
    try {
      const answer = await post("/sql", { sql: prefix + text, ...(options.length ? { queryOptions: options.join(";") } : {}) }, own.signal);
      present(answer, performance.now() - started, prefix.length);
    } catch (error) {
      result = null;
      stats.replaceChildren(own.signal.aborted ? "cancelled" : "failed");
      out.replaceChildren(...(own.signal.aborted ? [] : [failure(error)]));
    } finally {
      if (abort === own) { abort = null; runButton.firstChild.data = "Run"; }
    }
  }
  function present(answer, elapsed, shift) {
    const exceptions = answer?.exceptions ?? [];
    const table = answer?.resultTable;
    stats.replaceChildren(...statsOf(answer ?? {}, elapsed));
    const errors = exceptions.map((one) => {
      const at = position(one.message ?? "");
      // What was put in front of the text moves the columns of its first line.
      for (const line of at ? [0, 2] : []) if (at[line] === 1) at[line + 1] = Math.max(1, at[line + 1] - shift);
      if (at) sql.mark(...at);
      return h("div", { class: "error", role: "alert" }, h("b", null, one.errorCode), h("span", { class: "mono" }, one.message ?? ""),
        at && h("div", null, h("button", { type: "button", onclick: () => sql.goto(at[0], at[1]) }, `Line ${at[0]}, column ${at[1]}`)));
    });
    kind = null;
    drawn = null;
    out.scrollTop = 0;
    result = table && { names: table.dataSchema?.columnNames ?? [], types: table.dataSchema?.columnDataTypes ?? [], rows: table.rows ?? [] };
    out.replaceChildren(...errors);
    if (result && result.rows.length > 0) drawResult();
    else if (result && errors.length === 0) out.append(h("div", { class: "empty" }, `No rows. Columns: ${result.names.join(", ")}`));
  }
  function statsOf(answer, elapsed) {
    const fact = (value, name, title) => h("span", { title }, h("b", null, value), ` ${name}`);
    const few = (a, b) => (a === b ? count(b) : `${count(a)} of ${count(b)}`);
    const pruned = (answer.numSegmentsQueried ?? 0) - (answer.numSegmentsProcessed ?? 0);
    const flags = [answer.partialResult && "partial", answer.numGroupsLimitReached && "groups cut", answer.groupsTrimmed && "groups trimmed", answer.maxRowsInJoinReached && "join cut"].filter(Boolean);
    const copyButton = h("button", { class: "quiet", type: "button", onclick: () => result?.rows.length ? copy((drawn ?? grid(result, out)).csv(), `${count(result.rows.length)} rows`) : toast("Nothing to copy") }, "Copy CSV");
    const allButton = h("button", { class: "quiet", type: "button", onclick: () => showAll(answer) }, "All statistics");
    return [
      fact(count(answer.numRowsResultSet ?? answer.resultTable?.rows?.length ?? 0), answer.numRowsResultSet === 1 ? "row" : "rows"),
      fact(duration(answer.timeUsedMs ?? NaN), "server", `${duration(elapsed)} until it was here`),
      fact(few(answer.numDocsScanned ?? 0, answer.totalDocs ?? 0), "docs", "scanned, of those in the table"),
      fact(few(answer.numSegmentsMatched ?? 0, answer.numSegmentsQueried ?? 0), "segments", `matched, of those asked; ${pruned} pruned or empty`),
      fact(few(answer.numServersResponded ?? 0, answer.numServersQueried ?? 0), answer.numServersQueried === 1 ? "server" : "servers", "answered, of those asked"),
      flags.map((flag) => h("span", { class: "chip warn" }, flag)), h("span", { class: "grow" }), copyButton, allButton,
    ].flat();
  }
  function showAll(answer) {
    const rows = Object.entries(answer).filter(([key, value]) => !["resultTable", "exceptions"].includes(key) && value !== null && value !== 0 && !(typeof value === "object" && Object.keys(value).length === 0));
    const dialog = document.getElementById("dialog");
    dialog.onclose = null;
    dialog.replaceChildren(h("h2", null, "Statistics"), h("div", { style: "max-height:60vh;overflow:auto" }, h("table", null, h("tbody", null, rows.map(([key, value]) => h("tr", null, h("td", { class: "dim" }, key), h("td", { class: "num" }, typeof value === "number" ? count(value) : shown(value))))))),
      h("form", { method: "dialog" }, h("div", { class: "row" }, h("button", null, "Close"))));
    dialog.showModal();
  }

  function remember(text) {
    const at = history.findIndex((one) => one.sql === text);
    if (at >= 0) history.splice(at, 1);
    history.unshift({ sql: text, at: Date.now() });
    history.length = Math.min(history.length, HISTORY);
    memory.set("history", history);
  }
  function toggleHistory() {
    const open = out.querySelector(".history");
    if (open) { open.remove(); return; }
    const close = () => out.querySelector(".history")?.remove();
    const items = history.map((one) => h("button", { class: "item", type: "button", onclick: () => { sql.value = one.sql; close(); sql.focus(); } },
      h("code", null, one.sql.replace(/\s+/g, " ")), h("span", { class: "faint" }, new Date(one.at).toLocaleString())));
    out.append(h("div", { class: "history" }, items.length ? items : h("div", { class: "empty" }, "No queries yet."),
      items.length > 0 && h("button", { class: "quiet", type: "button", onclick: () => { history.length = 0; memory.set("history", history); close(); } }, "Forget all")));
  }

  const tools = h("div", { class: "tools" }, runButton, h("button", { type: "button", onclick: () => run("EXPLAIN PLAN FOR ") }, "Explain"),
    h("button", { class: "quiet", type: "button", onclick: toggleHistory, title: "History (h)" }, "History"),
    h("span", { class: "grow" }), h("label", { title: "Joins, windows, set operations" }, multistage, "multi-stage"), h("label", null, nulls, "nulls"), h("label", null, "timeout ms ", timeout), h("span", { class: "row", style: "gap:4px" }, rowsButton, chartButton));
  const resized = new ResizeObserver(() => { if (result) (asChart ? drawResult() : drawn?.draw(true)); });
  resized.observe(out);
  stats.append("Ctrl Enter runs the query, Ctrl Space completes, ? lists the keys.");
  return {
    root: h("div", { class: "query" }, h("aside", { class: "side" }, filter, side), h("div", { class: "work" }, sql.root, tools, stats, out)),
    every: 30000,
    shown: () => sql.focus(),
    close: () => { abort?.abort(); resized.disconnect(); },
    keys: { e: () => sql.focus(), h: toggleHistory, Escape: () => out.querySelector(".history")?.remove() },
    async refresh(signal) {
      const tables = await loadSchemas(signal);
      if (sql.value === "" && tables.length > 0) sql.value = `SELECT * FROM ${quoted(tables[0])} LIMIT 100`;
      drawSide();
    },
  };
}
