// The list of tables, and the page of one table: segments, ingestion, schema, configuration, actions.

import { bytes, clock, compact, count, duration, each, failure, get, h, json, part, post, time, toast } from "./dom.js";
import { chart, sparkline } from "./chart.js";
import { tableState } from "./state.js";

const dot = (level) => h("span", { class: `dot ${level}` });
const link = (table) => h("a", { href: `#/tables/${part(table)}` }, table);
const perSecond = (n) => (Number.isFinite(n) ? `${n >= 10000 ? compact(n) : count(n)}/s` : "–");

/** The list. */
export function tablesView() {
  const filter = h("input", { type: "search", placeholder: "Filter  /", "aria-label": "Filter tables", oninput: draw });
  const total = h("span", { class: "dim" });
  const body = h("tbody");
  const empty = h("div", { class: "empty", hidden: true });
  let states = [];
  function draw() {
    const wanted = filter.value.toLowerCase();
    const rows = states.filter((one) => one.table.toLowerCase().includes(wanted));
    const chosen = body.querySelector("tr[aria-selected]")?.dataset.row;
    body.replaceChildren(...rows.map((one) => h("tr", { "data-row": one.table, "aria-selected": one.table === chosen ? "true" : null },
      h("td", null, link(one.table)), h("td", null, dot(one.level), one.words), h("td", null, one.types.map((type) => h("span", { class: "chip" }, type.toLowerCase()))),
      h("td", { class: "num" }, count(one.docs)), h("td", { class: "num" }, bytes(one.bytes)), h("td", { class: "num" }, count(one.rows.length)),
      h("td", { class: "num" }, one.types.includes("REALTIME") ? perSecond(one.rate) : ""),
      h("td", { class: "num" }, one.types.includes("REALTIME") ? count(one.lag) : ""),
      h("td", null, one.samples.length > 2 ? sparkline(speeds(one.samples), 90, 18) : ""))));
    total.textContent = states.length === 0 ? "" : `${count(states.length)} ${states.length === 1 ? "table" : "tables"}, ${compact(states.reduce((n, one) => n + (one.docs || 0), 0))} docs, ${bytes(states.reduce((n, one) => n + Math.max(0, one.bytes || 0), 0))}`;
    empty.hidden = rows.length > 0;
    empty.replaceChildren(states.length === 0 ? h("span", null, "No tables yet. ", h("a", { class: "link", href: "#/new" }, "Create one from a JSON sample"), ".") : "No table matches.");
  }
  const head = ["Table", "Health", "Type", ["Docs"], ["Size"], ["Segments"], ["Rows in"], ["Lag"], "Rate"];
  return {
    root: h("div", { class: "page" }, h("div", { class: "head" }, h("h1", null, "Tables"), total, h("span", { class: "grow" }), filter),
      h("div", { class: "scroll" }, h("table", null, h("thead", null, h("tr", null, head.map((name) => h("th", { class: Array.isArray(name) ? "num" : "" }, name)))), body)), empty),
    // Every row costs a handful of requests: the more rows, the rarer.
    get every() { return Math.max(5000, states.length * 100); },
    async refresh(signal) {
      const { tables = [] } = await get("/tables", signal);
      states = await each([...tables].sort(), (table) => tableState(table, signal, { zk: false }));
      draw();
    },
  };
}

/** Rows a second between neighbouring samples. */
function speeds(samples) {
  return samples.slice(1).map((one, at) => Math.max(0, ((one.offset - samples[at].offset) * 1000) / Math.max(1, one.at - samples[at].at)));
}

const TABS = [["segments", "Segments"], ["ingestion", "Ingestion"], ["schema", "Schema"], ["config", "Config"]];
const LEVEL = { ONLINE: "good", CONSUMING: "info", ERROR: "bad", OFFLINE: "warn" };
const address = (name) => name.replace(/^Server_/, "").replace(/_(\d+)$/, ":$1");
const host = (name) => address(name).replace(/:\d+$/, "");
const minute = (ms) => time(ms).slice(0, 16);

/** The page of one table. */
export function tableView([table, tab = "segments"], shell) {
  const facts = h("div", { class: "facts" });
  const badges = h("span");
  const buttons = h("span", { class: "row" });
  const notes = h("div");
  const filter = h("input", { type: "search", placeholder: "Filter segments  /", "aria-label": "Filter segments", oninput: () => state && drawTab() });
  const pane = h("div");
  let state = null;
  let schema = null;
  /** Servers by host alone where that tells them apart. */
  function serverName(name) {
    const servers = new Set(state.rows.flatMap((row) => row.replicas.map((one) => one.server)));
    return new Set([...servers].map(host)).size === servers.size ? host(name) : address(name);
  }

  const act = (name, path, question) => h("button", {
    type: "button",
    async onclick(event) {
      const button = event.currentTarget;
      if (question && !(await shell.confirm(`${name}: ${table}`, question, name))) return;
      button.disabled = true;
      try {
        const answer = await post(path);
        toast(answer?.comment ?? answer?.status ?? `${name}: accepted`);
      } catch (error) {
        toast(`${name}: ${error.message}`, true);
      }
      button.disabled = false;
      shell.refresh();
    },
  }, name);

  function drawHead() {
    const realtime = state.types.includes("REALTIME");
    const fact = (value, name, title) => h("div", { class: "fact", title }, h("b", null, value), h("span", null, name));
    const worst = Math.max(...state.parts.map((one) => one.lagMs).filter(Number.isFinite));
    badges.replaceChildren(...state.types.map((type) => h("span", { class: "chip" }, type.toLowerCase())), h("span", { style: "margin-left:6px" }, dot(state.level), state.words));
    facts.replaceChildren(fact(count(state.docs), "docs"), fact(bytes(state.bytes), "on disk, all replicas"), fact(count(state.rows.length), "segments"),
      ...(realtime ? [fact(perSecond(state.rate), "rows in"), fact(count(state.lag), "rows behind the stream"), fact(duration(worst), "until rows can be queried", "The largest availability lag of any partition")] : []));
    const path = `/tables/${part(table)}`;
    const paused = state.pause?.pauseFlag;
    buttons.replaceChildren(...[
      realtime && (paused ? act("Resume", `${path}/resumeConsumption`) : act("Pause", `${path}/pauseConsumption`, "Consuming segments are committed and no new rows come in until it is resumed.")),
      realtime && act("Force commit", `${path}/forceCommit`, "Consuming segments are sealed now, whatever their size."),
      ...state.types.map((type) => act(state.types.length > 1 ? `Reload ${type.toLowerCase()}` : "Reload", `/segments/${part(table)}/reload?type=${type}`, "Servers load every segment again with the indexes the configuration asks for.")),
    ].filter(Boolean));
    notes.replaceChildren(...state.failed.map((error) => h("p", { class: "note" }, `${error.line}: ${error.message}`)));
  }

  function segmentRow(row) {
    const chip = (one) => {
      const same = one.wanted === one.real;
      const title = `${one.server}: ${one.real ?? "not there"}${same ? "" : `, wanted ${one.wanted ?? "not there"}`}`;
      return h("span", { class: `chip ${same ? LEVEL[one.real] ?? "" : one.real === "ERROR" ? "bad" : "warn"}`, title }, serverName(one.server), " ", (one.real ?? "missing").toLowerCase(), same ? "" : ` → ${(one.wanted ?? "gone").toLowerCase()}`);
    };
    const live = state.parts.find((one) => one.segment === row.name);
    const offsets = row.start === undefined ? "" : `${row.start} – ${row.end ?? (live ? `${live.offset} …` : "…")}`;
    return h("tr", { "data-row": row.name }, h("td", { class: "mono" }, row.name), h("td", null, row.replicas.map(chip)), h("td", { class: "dim" }, row.status.toLowerCase().replace("_", " ")),
      h("td", { class: "num" }, offsets), h("td", { class: "num" }, Number.isFinite(row.docs) ? count(row.docs) : live ? h("span", { class: "dim" }, count(live.offset - Number(row.start))) : "–"),
      h("td", { class: "num" }, bytes(row.bytes)), h("td", { class: "dim" }, Number.isFinite(row.from) ? `${minute(row.from)} – ${minute(row.to)}` : "–"), h("td", { class: "dim" }, minute(row.created)));
  }
  function drawSegments() {
    const wanted = filter.value.toLowerCase();
    const rows = state.rows.filter((row) => row.name.toLowerCase().includes(wanted) || row.replicas.some((one) => one.server.toLowerCase().includes(wanted) || (one.real ?? "").toLowerCase() === wanted));
    const drawn = rows.slice(0, 500);
    const head = ["Segment", "Replicas", "Status", ["Offsets"], ["Docs"], ["Size"], "Time range", "Created"];
    pane.replaceChildren(h("div", { class: "scroll" }, h("table", null, h("thead", null, h("tr", null, head.map((name) => h("th", { class: Array.isArray(name) ? "num" : "" }, name)))), h("tbody", null, drawn.map(segmentRow)))),
      rows.length === 0 && h("div", { class: "empty" }, state.rows.length ? "No segment matches." : "No segments yet."), rows.length > drawn.length && h("p", { class: "dim" }, `The newest ${drawn.length} of ${count(rows.length)}; filter to see others.`));
    for (const child of [...pane.childNodes]) if (child.nodeType === Node.TEXT_NODE) child.remove();
  }
  function drawIngestion() {
    if (state.parts.length === 0) {
      pane.replaceChildren(h("div", { class: "empty" }, state.types.includes("REALTIME") ? (state.pause?.pauseFlag ? "Paused: nothing is being consumed." : "Nothing is being consumed.") : "An offline table consumes no stream."));
      return;
    }
    const known = state.samples;
    const head = ["Partition", "Consumer", "Server", ["Offset"], ["Newest"], ["Behind"], ["Available after"], "Behind over time", "Last row"];
    const rows = state.parts.map((one, at) => h("tr", { "data-row": one.id }, h("td", null, one.id),
      h("td", null, h("span", { class: `chip ${one.state === "CONSUMING" ? "info" : "warn"}` }, String(one.state).toLowerCase().replaceAll("_", " "))), h("td", { class: "dim" }, serverName(one.server ?? "")),
      h("td", { class: "num" }, count(one.offset)), h("td", { class: "num" }, count(one.upstream)), h("td", { class: "num" }, count(one.lag)), h("td", { class: "num" }, duration(one.lagMs)),
      h("td", null, sparkline(known.map((sample) => sample.each[one.id]), 150, 18, at)), h("td", { class: "dim" }, time(one.seen))));
    const labels = known.map((sample) => clock(sample.at));
    const wide = Math.max(280, Math.floor(((pane.clientWidth || 900) - 40) / 2));
    const drawing = (name, values) => h("div", null, h("h2", null, name), known.length > 1
      ? chart({ kind: "line", labels: labels.slice(-values.length), series: [{ name, values }], positions: known.slice(-values.length).map((sample) => sample.at), width: wide, height: 150 })
      : h("p", { class: "dim" }, "Collecting …"));
    pane.replaceChildren(h("div", { class: "scroll" }, h("table", null, h("thead", null, h("tr", null, head.map((name) => h("th", { class: Array.isArray(name) ? "num" : "" }, name)))), h("tbody", null, rows))),
      h("div", { class: "row wrap", style: "gap:36px;align-items:flex-start" }, drawing("Rows behind the stream", known.map((sample) => sample.lag)), drawing("Rows a second", speeds(known))));
  }
  function drawSchema() {
    if (!schema) { pane.replaceChildren(h("div", { class: "empty" }, "No schema.")); return; }
    const kinds = [["dimensionFieldSpecs", "dimension"], ["metricFieldSpecs", "metric"], ["dateTimeFieldSpecs", "time"], ["complexFieldSpecs", "complex"]];
    const config = state.config?.REALTIME ?? state.config?.OFFLINE ?? {};
    const indexes = indexesOf(config);
    const rows = kinds.flatMap(([key, kind]) => (schema[key] ?? []).map((field) => h("tr", { "data-row": field.name }, h("td", { class: "mono" }, field.name),
      h("td", null, field.dataType.toLowerCase(), field.singleValueField === false ? "[]" : ""), h("td", { class: "dim" }, kind),
      h("td", { class: "dim" }, field.format ?? ""), h("td", { class: "dim" }, field.defaultNullValue === undefined ? "" : String(field.defaultNullValue)),
      h("td", null, [...(indexes.get(field.name) ?? [])].map((name) => h("span", { class: "chip" }, name))))));
    pane.replaceChildren(h("table", null, h("thead", null, h("tr", null, ["Column", "Type", "Kind", "Format", "Null value", "Indexes"].map((name) => h("th", null, name)))), h("tbody", null, rows)), h("h2", null, "JSON"), json(schema));
  }
  function drawTab() {
    filter.hidden = tab !== "segments";
    if (tab === "ingestion") drawIngestion();
    else if (tab === "schema") drawSchema();
    else if (tab === "config") pane.replaceChildren(...Object.entries(state.config ?? {}).flatMap(([type, config]) => [h("h2", null, type), json(config)]));
    else drawSegments();
  }
  const tabs = h("div", { class: "tabs" }, TABS.map(([id, name]) => h("a", { href: `#/tables/${part(table)}/${id}`, "aria-current": id === tab ? "page" : null }, name)));
  return {
    root: h("div", { class: "page" }, h("div", { class: "head" }, h("a", { class: "dim", href: "#/tables" }, "Tables ›"), h("h1", null, table), badges, h("span", { class: "grow" }), buttons), notes, facts, h("div", { class: "row" }, h("div", { class: "grow" }, tabs), filter), pane),
    every: 3000,
    async refresh(signal) {
      if (!schema) schema = await get(`/tables/${part(table)}/schema`, signal).catch((error) => { if (error.name === "AbortError") throw error; return null; });
      state = await tableState(table, signal);
      facts.hidden = state.types.length === 0;
      if (facts.hidden) {
        const first = state.failed.toSorted((a, b) => a.line.length - b.line.length)[0];
        pane.replaceChildren(first ? failure(first) : h("div", { class: "empty" }, "There is no table of this name."));
        return;
      }
      drawHead();
      if (tab === "segments" || tab === "ingestion" || !pane.hasChildNodes()) drawTab();
    },
  };
}

/** column -> names of its indexes, from both places where a configuration may ask for them. */
function indexesOf(config) {
  const found = new Map();
  const add = (column, name) => found.set(column, (found.get(column) ?? new Set()).add(name));
  const lists = { invertedIndexColumns: "inverted", rangeIndexColumns: "range", sortedColumn: "sorted", bloomFilterColumns: "bloom", jsonIndexColumns: "json", noDictionaryColumns: "raw", varLengthDictionaryColumns: "var-length" };
  for (const [key, name] of Object.entries(lists)) for (const column of config.tableIndexConfig?.[key] ?? []) add(column, name);
  for (const field of config.fieldConfigList ?? []) {
    for (const kind of [...(field.indexTypes ?? []), ...(field.indexType ? [field.indexType] : []), ...Object.keys(field.indexes ?? {})]) add(field.name, kind.toLowerCase());
    if (field.encodingType === "RAW") add(field.name, "raw");
  }
  return found;
}
