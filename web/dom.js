// Elements, numbers and requests: what every view needs. Text always goes in as text nodes, so
// nothing that a table contains can become markup.

import { login, proof } from "./login.js";

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style") element.style.cssText = value;
    else if (key === "value" || key === "checked" || key === "disabled") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An element with attributes (`on...` are listeners) and children; strings become text. */
export const h = (tag, properties, ...children) => fill(document.createElement(tag), properties, children);

/** The same for SVG. */
export const svg = (tag, properties, ...children) => fill(document.createElementNS(SVG, tag), properties, children);

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 2 });

/** 1234567 -> 1,234,567; what is no number -> a dash. */
export const count = (n) => (Number.isFinite(n) ? whole.format(n) : "–");
/** 1234567 -> 1.2M */
export const compact = (n) => (Number.isFinite(n) ? short.format(n) : "–");

/** 1250 -> 1.25K: for the marks of an axis. */
export const tick = (n) => fine.format(n);
/** The time of day, 24 hours. */
export const clock = (ms) => new Date(ms).toLocaleTimeString([], { hourCycle: "h23" });

/** Bytes in the largest unit that keeps three digits; negative means unknown, as in the REST answers. */
export function bytes(n) {
  if (!Number.isFinite(n) || n < 0) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  while (n >= 1024 && at < units.length - 1) { n /= 1024; at += 1; }
  return `${at === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[at]}`;
}

/** Milliseconds as 12 ms, 3.4 s, 5 min, 2.1 h, 3.0 d. */
export function duration(ms) {
  if (!Number.isFinite(ms)) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  for (const [limit, unit, name] of [[60e3, 1e3, "s"], [3600e3, 60e3, "min"], [86400e3, 3600e3, "h"]]) {
    if (ms < limit) return `${(ms / unit).toFixed(1)} ${name}`;
  }
  return `${(ms / 86400e3).toFixed(1)} d`;
}

/** Milliseconds since 1970 as 2024-05-01 12:34:56 UTC without the zone. */
export function time(ms) {
  const date = new Date(ms);
  return Number.isFinite(ms) && !Number.isNaN(date.getTime()) ? date.toISOString().slice(0, 19).replace("T", " ") : "–";
}

/** An answer that was not 2xx: the status, the message of the body, and the request line. */
export class Refused extends Error {
  constructor(status, message, line) {
    super(message);
    this.status = status;
    this.line = line;
  }
}

// Integers beyond 2^53 keep their digits: the literal is taken as text where a number would lie.
const exact = (_key, value, context) =>
  typeof value === "number" && context?.source && !Number.isSafeInteger(value) && /^-?\d+$/.test(context.source)
    ? context.source : value;

/** One request to the same origin; the parsed body, or `Refused`. Where it is refused for want of proof, whoever sits there is asked. */
export async function call(method, path, { body, signal, type = "application/json" } = {}) {
  const options = { method, signal, headers: { Accept: "application/json", "X-Touriga-Console": "1" }, cache: "no-store" };
  if (body !== undefined) {
    options.headers["Content-Type"] = type;
    options.body = typeof body === "string" ? body : JSON.stringify(body);
  }
  const line = `${method} ${path}`;
  let shown;
  const send = () => {
    shown = proof();
    if (shown) options.headers.Authorization = shown;
    return fetch(path, options);
  };
  let response = await send();
  for (let tries = 0; response.status === 401 && tries < 3; tries += 1) {
    // Another request may have asked meanwhile.
    if (proof() === shown && !(await login(Boolean(shown)))) break;
    response = await send();
  }
  const text = await response.text();
  let parsed;
  try { parsed = text === "" ? null : JSON.parse(text, exact); } catch { parsed = text; }
  if (!response.ok) {
    const message = parsed?.error ?? parsed?.message ?? (typeof parsed === "string" && parsed ? parsed : response.statusText);
    throw new Refused(response.status, String(message), line);
  }
  return parsed;
}

export const get = (path, signal) => call("GET", path, { signal });
export const post = (path, body, signal) => call("POST", path, { body, signal });
/** A path segment. */
export const part = encodeURIComponent;

/** Runs `work` over `items`, at most six at once: a browser has no more connections to one host. */
export async function each(items, work) {
  const queue = [...items.entries()];
  const results = new Array(items.length);
  const lane = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: 6 }, lane));
  return results;
}

let toastTimer;
/** A line at the bottom that goes away by itself. */
export function toast(message, bad = false) {
  const element = document.getElementById("toast");
  element.textContent = message;
  element.className = bad ? "on bad" : "on";
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { element.className = ""; }, bad ? 6000 : 2200);
}

/** Text to the clipboard, also where the page is not served over TLS. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h("textarea", { value: text, style: "position:fixed;opacity:0" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast(`${what} copied`);
}

/** A box with a failure: what was asked, the code, the words. */
export function failure(error) {
  const code = error instanceof Refused ? `HTTP ${error.status}` : "No answer";
  return h("div", { class: "error", role: "alert" }, h("b", null, code), h("span", { class: "dim" }, error.line ?? ""), h("div", { class: "mono" }, error.message));
}

/** JSON as coloured text. */
export function json(value) {
  const text = JSON.stringify(value, null, 2) ?? "";
  const pre = h("pre", { class: "json" });
  const token = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|(true|false|null)/g;
  let last = 0;
  for (const match of text.matchAll(token)) {
    pre.append(text.slice(last, match.index));
    const kind = match[2] ? "j-key" : match[1] ? "j-str" : match[3] ? "j-num" : "j-word";
    pre.append(h("span", { class: kind }, match[1] ?? match[0]), match[2] ?? "");
    last = match.index + match[0].length;
  }
  pre.append(text.slice(last));
  return pre;
}

/** Something remembered by the browser; private windows may refuse. */
export const memory = {
  get(key, otherwise) {
    try { return JSON.parse(localStorage.getItem(`touriga.${key}`)) ?? otherwise; } catch { return otherwise; }
  },
  set(key, value) {
    try { localStorage.setItem(`touriga.${key}`, JSON.stringify(value)); } catch { /* not remembered */ }
  },
};
