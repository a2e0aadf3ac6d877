// The cluster: who is there, and what it runs.

import { each, get, h, part, Refused } from "./dom.js";

const ROLES = ["Controller", "Broker", "Server", "Minion"];
const MEANS = { _BROKER: "broker", _OFFLINE: "offline", _REALTIME: "realtime" };

/** The view. */
export function clusterView() {
  const title = h("h1", null, "Cluster");
  const version = h("span", { class: "dim" });
  const filter = h("input", { type: "search", placeholder: "Filter  /", "aria-label": "Filter instances", oninput: draw });
  const body = h("tbody");
  const components = h("div");
  let instances = [];

  function draw() {
    const wanted = filter.value.toLowerCase();
    const rows = instances.filter((one) => JSON.stringify([one.name, one.tags]).toLowerCase().includes(wanted));
    const ports = (one) => [["grpc", one.grpcPort], ["admin", one.adminPort], ["query service", one.queryServicePort], ["mailbox", one.queryMailboxPort]].filter(([, port]) => port > 0).map(([name, port]) => `${name} ${port}`).join(", ");
    body.replaceChildren(...rows.map((one) => h("tr", { "data-row": one.name }, h("td", null, one.role.toLowerCase()), h("td", { class: "mono" }, one.name), h("td", null, one.hostName ?? "–"), h("td", { class: "num" }, one.port ?? "–"),
      h("td", { class: "dim" }, ports(one)), h("td", null, (one.tags ?? []).map((tag) => h("span", { class: "chip", title: tag }, readable(tag)))),
      h("td", null, h("span", { class: `dot ${one.shutdownInProgress ? "warn" : one.enabled === false ? "bad" : one.enabled ? "good" : ""}` }), one.shutdownInProgress ? "shutting down" : one.enabled === false ? "disabled" : one.enabled ? "enabled" : "unknown"))));
  }
  const head = ["Role", "Instance", "Host", ["Port"], "Other ports", "Tags", "State"];
  return {
    root: h("div", { class: "page" }, h("div", { class: "head" }, title, version, h("span", { class: "grow" }), filter),
      h("div", { class: "scroll" }, h("table", null, h("thead", null, h("tr", null, head.map((name) => h("th", { class: Array.isArray(name) ? "num" : "" }, name)))), body)), components),
    every: 10000,
    async refresh(signal) {
      const [info, versions, list] = await Promise.all([optional("/cluster/info", signal), optional("/version", signal), get("/instances", signal)]);
      title.textContent = info?.clusterName ?? "Cluster";
      const distinct = [...new Set(Object.values(versions ?? {}))];
      version.textContent = distinct.length === 1 ? `version ${distinct[0]}` : distinct.length > 1 ? "several versions" : "";
      instances = await each(list?.instances ?? [], async (name) => ({ name, role: ROLES.find((role) => name.startsWith(role)) ?? "Other", ...(await optional(`/instances/${part(name)}`, signal)) }));
      instances.sort((a, b) => ROLES.indexOf(a.role) - ROLES.indexOf(b.role) || a.name.localeCompare(b.name, undefined, { numeric: true }));
      draw();
      if (versions && !components.hasChildNodes()) {
        components.append(h("details", null, h("summary", { class: "dim", style: "cursor:pointer;margin-top:22px" }, `${Object.keys(versions).length} components`),
          h("table", { style: "width:auto;margin-top:6px" }, h("tbody", null, Object.entries(versions).sort().map(([name, one]) => h("tr", null, h("td", null, name), h("td", { class: "dim mono" }, one)))))));
      }
    },
  };
}

function readable(tag) {
  const [suffix, meaning] = Object.entries(MEANS).find(([end]) => tag.endsWith(end)) ?? ["", ""];
  return suffix ? `${tag.slice(0, -suffix.length)} ${meaning}` : tag;
}

async function optional(path, signal) {
  try {
    return await get(path, signal);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return undefined;
  }
}
