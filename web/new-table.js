// A new table from a sample: columns and types are inferred, corrected by hand, and sent as the
// schema and table JSON that is shown. What is sent is exactly what the two text fields hold.

import { call, copy, failure, h, memory, part } from "./dom.js";

const TYPES = ["INT", "LONG", "FLOAT", "DOUBLE", "BIG_DECIMAL", "BOOLEAN", "TIMESTAMP", "STRING", "JSON", "BYTES"];
const ROLES = ["dimension", "metric", "time", "skip"];
const SAMPLE = JSON.stringify({ id: 17, symbol: "VALE3", shares: 250, price: 61.4, tags: ["b3"], updated_at: 1719838800000 }, null, 2);

/** The records of a sample: one object, an array of them, or one a line. */
function records(text) {
  const trimmed = text.trim();
  if (trimmed === "") return [];
  let parsed;
  try {
    parsed = JSON.parse(trimmed);
  } catch (whole) {
    try { parsed = trimmed.split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line)); } catch { throw whole; }
  }
  const list = Array.isArray(parsed) ? parsed : [parsed];
  if (!list.every((one) => one !== null && typeof one === "object" && !Array.isArray(one))) throw new Error("expected JSON objects: one, an array of them, or one a line");
  return list;
}

const WIDER = ["INT", "LONG", "DOUBLE"];
function typeOf(value) {
  if (typeof value === "boolean") return "BOOLEAN";
  if (typeof value === "number") return !Number.isInteger(value) ? "DOUBLE" : Math.abs(value) < 2 ** 31 ? "INT" : "LONG";
  if (typeof value === "object") return "JSON";
  return /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?$/.test(value) ? "TIMESTAMP" : "STRING";
}
function join(types) {
  const kinds = [...new Set(types)];
  if (kinds.length === 1) return kinds[0];
  if (kinds.every((kind) => WIDER.includes(kind))) return WIDER[Math.max(...kinds.map((kind) => WIDER.indexOf(kind)))];
  return kinds.includes("JSON") ? "JSON" : "STRING";
}

/** Columns with a type, a role, and whether they hold several values. */
function infer(list) {
  const names = [...new Set(list.flatMap((one) => Object.keys(one)))];
  return names.map((name) => {
    const values = list.map((one) => one[name]).filter((value) => value !== null && value !== undefined);
    const multi = values.length > 0 && values.every(Array.isArray) && values.flat().every((value) => typeof value !== "object" || value === null);
    const flat = multi ? values.flat().filter((value) => value !== null) : values;
    const type = flat.length === 0 ? "STRING" : join(flat.map(typeOf));
    const within = (low, high) => flat.length > 0 && flat.every((value) => typeof value === "number" && value >= low && value < high);
    const timeName = /time|date|(^|_)(ts|at|when)$|created|updated|At$/i.test(name);
    const format = type === "TIMESTAMP" ? "TIMESTAMP" : type === "LONG" && within(1e11, 1e13) ? "1:MILLISECONDS:EPOCH" : timeName && within(1e8, 1e10) ? "1:SECONDS:EPOCH" : null;
    const measured = !multi && (type === "DOUBLE" || (WIDER.includes(type) && /count|amount|price|qty|quantity|total|sum|shares|volume|value|bytes|size|duration|latency|score/i.test(name)));
    return { name, type, multi, format, role: format && !multi ? "time" : measured ? "metric" : "dimension" };
  });
}

function schemaOf(name, columns, keys) {
  const of = (role) => columns.filter((one) => one.role === role);
  const time = (one) => ({
    name: one.name, dataType: one.type, format: one.format ?? (one.type === "TIMESTAMP" ? "TIMESTAMP" : "1:MILLISECONDS:EPOCH"),
    granularity: one.format === "1:SECONDS:EPOCH" ? "1:SECONDS" : "1:MILLISECONDS",
  });
  return {
    schemaName: name,
    dimensionFieldSpecs: of("dimension").map((one) => ({ name: one.name, dataType: one.type, ...(one.multi ? { singleValueField: false } : {}) })),
    metricFieldSpecs: of("metric").map((one) => ({ name: one.name, dataType: one.type })),
    dateTimeFieldSpecs: of("time").map(time),
    ...(keys.length ? { primaryKeyColumns: keys } : {}),
  };
}

function tableOf(name, columns, settings) {
  const time = columns.find((one) => one.role === "time")?.name;
  const realtime = settings.type === "REALTIME";
  return {
    tableName: name, tableType: settings.type,
    segmentsConfig: { ...(time ? { timeColumnName: time } : {}), replication: "1" },
    tenants: {},
    tableIndexConfig: {
      loadMode: "MMAP",
      ...(realtime ? {
        streamConfigs: {
          "streamType": "kafka", "stream.kafka.topic.name": settings.topic || name, "stream.kafka.broker.list": settings.brokers,
          "stream.kafka.consumer.type": "lowlevel",
          "stream.kafka.decoder.class.name": "org.apache.pinot.plugin.stream.kafka.KafkaJSONMessageDecoder",
          "stream.kafka.consumer.factory.class.name": "org.apache.pinot.plugin.stream.kafka20.KafkaConsumerFactory",
          "stream.kafka.consumer.prop.auto.offset.reset": "smallest",
          "realtime.segment.flush.threshold.rows": "1000000", "realtime.segment.flush.threshold.time": "6h",
        },
      } : {}),
    },
    metadata: {},
  };
}

/** The view. */
export function newTableView() {
  const kept = memory.get("new-table", {});
  const sample = h("textarea", { spellcheck: "false", "aria-label": "JSON sample", placeholder: SAMPLE, value: kept.sample ?? "", oninput: read });
  const name = h("input", { value: kept.name ?? "", placeholder: "my_table", "aria-label": "Name", oninput: write });
  const type = h("select", { "aria-label": "Type", onchange: write }, ["REALTIME", "OFFLINE"].map((one) => h("option", null, one)));
  const topic = h("input", { placeholder: "as the table", value: kept.topic ?? "", oninput: write, "aria-label": "Topic" });
  const brokers = h("input", { value: kept.brokers ?? "localhost:9092", oninput: write, "aria-label": "Brokers" });
  const schema = h("textarea", { class: "tall", spellcheck: "false", "aria-label": "Schema JSON" });
  const config = h("textarea", { class: "tall", spellcheck: "false", "aria-label": "Table JSON" });
  const body = h("tbody");
  const report = h("div");
  const problem = h("p", { class: "note" });
  const create = h("button", { class: "main", type: "button", onclick: send }, "Create table");
  let columns = [];
  if (kept.type) type.value = kept.type;

  function read() {
    problem.textContent = "";
    try { columns = infer(records(sample.value || SAMPLE)); } catch (error) { problem.textContent = `The sample is no JSON: ${error.message}`; return; }
    drawColumns();
    write();
  }
  function drawColumns() {
    const pick = (one, key, options) => h("select", { "aria-label": `${key} of ${one.name}`, onchange: (event) => { one[key] = event.target.value; drawColumns(); write(); } }, options.map((option) => h("option", { value: option, selected: option === one[key] }, option.toLowerCase())));
    body.replaceChildren(...columns.map((one) => h("tr", null, h("td", { class: "mono" }, one.name), h("td", null, pick(one, "type", TYPES), one.multi ? " []" : ""), h("td", null, pick(one, "role", ROLES)),
      h("td", null, one.role === "time" ? h("input", { value: one.format ?? "1:MILLISECONDS:EPOCH", size: 26, "aria-label": `Format of ${one.name}`, oninput: (event) => { one.format = event.target.value; write(); } })
        : one.role === "dimension" && !one.multi ? h("label", null, h("input", { type: "checkbox", checked: one.key ?? false, onchange: (event) => { one.key = event.target.checked; write(); } }), "primary key") : ""))));
  }
  function write() {
    const realtime = type.value === "REALTIME";
    topic.disabled = brokers.disabled = !realtime;
    memory.set("new-table", { sample: sample.value, name: name.value, type: type.value, topic: topic.value, brokers: brokers.value });
    const title = name.value.trim() || "my_table";
    const used = columns.filter((one) => one.role !== "skip");
    schema.value = JSON.stringify(schemaOf(title, used, used.filter((one) => one.key && one.role === "dimension").map((one) => one.name)), null, 2);
    config.value = JSON.stringify(tableOf(title, used, { type: type.value, topic: topic.value.trim(), brokers: brokers.value.trim() }), null, 2);
    problem.textContent = realtime && !used.some((one) => one.role === "time") ? "A realtime table needs a time column: give one column the role time." : "";
  }
  async function send() {
    if (name.value.trim() === "" && config.value.includes('"my_table"')) {
      problem.textContent = "Give the table a name.";
      name.focus();
      return;
    }
    create.disabled = true;
    report.replaceChildren();
    const step = async (words, path, text) => {
      const answer = await call("POST", path, { body: text });
      const unknown = Object.keys(answer?.unrecognizedProperties ?? {});
      report.append(h("p", { class: "good" }, answer?.status ?? words), unknown.length ? h("p", { class: "note" }, `Not recognized: ${unknown.join(", ")}`) : "");
    };
    try {
      const parsed = [JSON.parse(schema.value), JSON.parse(config.value)];
      await step("Schema added", "/schemas?override=true", JSON.stringify(parsed[0]));
      await step("Table added", "/tables", JSON.stringify(parsed[1]));
      report.append(h("a", { class: "link", href: `#/tables/${part(String(parsed[1].tableName).replace(/_(REALTIME|OFFLINE)$/, ""))}` }, "Open the table"));
    } catch (error) {
      report.append(failure(error));
    }
    create.disabled = false;
    report.lastElementChild?.scrollIntoView({ block: "nearest" });
  }

  const copyButton = (area, what) => h("button", { class: "quiet", type: "button", onclick: () => copy(area.value, what) }, "Copy");
  read();
  return {
    root: h("div", { class: "page" }, h("div", { class: "head" }, h("h1", null, "New table"), h("span", { class: "dim" }, "from a JSON sample; nothing is sent before you create it")),
      h("div", { class: "steps" },
        h("section", null, h("h2", null, "Sample"), sample, problem, h("h2", null, "Table"),
          h("div", { class: "fields" }, h("label", null, "Name"), name, h("label", null, "Type"), type, h("label", null, "Topic"), topic, h("label", null, "Brokers"), brokers)),
        h("section", null, h("h2", null, "Columns"), h("div", { class: "scroll" }, h("table", null, h("thead", null, h("tr", null, ["Column", "Type", "Role", ""].map((one) => h("th", null, one)))), body))),
        h("section", null, h("h2", { class: "row" }, "Schema", h("span", { class: "grow" }), copyButton(schema, "Schema")), schema),
        h("section", null, h("h2", { class: "row" }, "Table config", h("span", { class: "grow" }), copyButton(config, "Table config")), config)),
      h("div", { class: "row", style: "margin:14px 0" }, create), report),
    shown: () => sample.focus(),
  };
}
