// A small SQL editor: a textarea with the coloured text underneath, and completion.
// Knows SQL's words, nothing of requests; what it may complete is handed in.

import { h } from "./dom.js";

const KEYWORDS = `SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT OFFSET AS AND OR NOT IN BETWEEN LIKE IS NULL TRUE FALSE
ASC DESC NULLS FIRST LAST DISTINCT CASE WHEN THEN ELSE END CAST JOIN INNER LEFT RIGHT FULL OUTER CROSS ON USING UNION ALL
INTERSECT EXCEPT WITH OVER PARTITION ROWS RANGE UNBOUNDED PRECEDING FOLLOWING CURRENT ROW SET EXPLAIN PLAN FOR FILTER
INTERVAL EXISTS ARRAY VALUES`.split(/\s+/);

const FUNCTIONS = `COUNT SUM MIN MAX AVG MODE MINMAXRANGE DISTINCTCOUNT DISTINCTCOUNTHLL DISTINCTCOUNTHLLPLUS
DISTINCTCOUNTTHETASKETCH DISTINCTCOUNTBITMAP SEGMENTPARTITIONEDDISTINCTCOUNT PERCENTILE PERCENTILEEST PERCENTILETDIGEST
PERCENTILEKLL FIRSTWITHTIME LASTWITHTIME STDDEV_POP STDDEV_SAMP VAR_POP VAR_SAMP COVAR_POP COVAR_SAMP SKEWNESS KURTOSIS
BOOL_AND BOOL_OR HISTOGRAM ARRAY_AGG LISTAGG SUMPRECISION EXPR_MIN EXPR_MAX
ABS CEIL FLOOR ROUND ROUNDDECIMAL SQRT EXP LN LOG2 LOG10 POWER MOD GREATEST LEAST SIGN
UPPER LOWER TRIM LTRIM RTRIM LENGTH SUBSTR CONCAT REPLACE REVERSE STRPOS STARTSWITH LPAD RPAD SPLIT REGEXP_LIKE REGEXP_EXTRACT
REGEXP_REPLACE TEXT_MATCH JSON_MATCH JSONEXTRACTSCALAR JSONEXTRACTKEY JSONFORMAT JSONPATHSTRING JSONPATHLONG JSONPATHDOUBLE
DATETRUNC DATETIMECONVERT TIMECONVERT DATEADD DATEDIFF TIMESTAMPADD TIMESTAMPDIFF TODATETIME FROMDATETIME
TOEPOCHSECONDS TOEPOCHMINUTES TOEPOCHHOURS TOEPOCHDAYS FROMEPOCHSECONDS FROMEPOCHMINUTES FROMEPOCHHOURS FROMEPOCHDAYS NOW AGO
YEAR QUARTER MONTH WEEK DAY DAYOFWEEK HOUR MINUTE SECOND COALESCE NULLIF IN_SUBQUERY IDSET INIDSET LOOKUP VALUEIN ARRAYLENGTH
CARDINALITY MAPVALUE ST_POINT ST_DISTANCE ST_CONTAINS ST_WITHIN ROW_NUMBER RANK DENSE_RANK LAG LEAD FIRST_VALUE LAST_VALUE NTILE
MD5 SHA256 BASE64ENCODE BASE64DECODE`.split(/\s+/);

const KNOWN = new Set(KEYWORDS);
const TOKEN = /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|('(?:[^']|'')*'?)|("(?:[^"]|"")*"?|`[^`]*`?)|(\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)|([A-Za-z_$][\w$]*)/g;

function colour(text, target, mark) {
  target.replaceChildren();
  const put = (piece, kind, from) => {
    if (!mark || from + piece.length <= mark.from || from >= mark.to) {
      target.append(kind ? h("span", { class: kind }, piece) : piece);
      return;
    }
    const cut = [Math.max(0, mark.from - from), Math.min(piece.length, mark.to - from)];
    for (const [a, b, bad] of [[0, cut[0], false], [cut[0], cut[1], true], [cut[1], piece.length, false]]) {
      if (a < b) target.append(h("span", { class: `${kind ?? ""} ${bad ? "t-err" : ""}` }, piece.slice(a, b)));
    }
  };
  let last = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > last) put(text.slice(last, match.index), null, last);
    const word = match[5];
    const called = word && /^\s*\(/.test(text.slice(match.index + word.length, match.index + word.length + 9));
    const kind = match[1] ? "t-com" : match[2] ? "t-str" : match[4] ? "t-num"
      : word && KNOWN.has(word.toUpperCase()) ? "t-kw" : called ? "t-fn" : null;
    put(match[0], kind, match.index);
    last = match.index + match[0].length;
  }
  put(text.slice(last), null, last);
  target.append("\n");
}

/** Offset of a one-based line and column. */
function offsetOf(text, line, column) {
  const lines = text.split("\n");
  const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  return Math.min(text.length, before + column - 1);
}

/**
 * The editor. `names()` gives what can be completed: [{name, kind, near}], `near` first.
 * `onrun` is called on Ctrl+Enter.
 */
export function editor({ value, names, onrun, onchange }) {
  const under = h("pre", { "aria-hidden": "true" });
  const area = h("textarea", { spellcheck: "false", autocomplete: "off", autocapitalize: "off", wrap: "off", "aria-label": "SQL", "aria-autocomplete": "list" });
  const root = h("div", { class: "editor" }, under, area);
  const popup = h("div", { class: "complete", role: "listbox", hidden: true });
  let choices = [];
  let chosen = 0;
  let mark = null;
  area.value = value;

  const paint = () => {
    colour(area.value, under, mark);
    under.scrollTop = area.scrollTop;
    under.scrollLeft = area.scrollLeft;
  };
  const close = () => { popup.hidden = true; choices = []; };
  const word = () => /[A-Za-z_$][\w$]*$/.exec(area.value.slice(0, area.selectionStart))?.[0] ?? "";

  function place() {
    const before = area.value.slice(0, area.selectionStart - word().length).split("\n");
    const probe = h("span", { class: "mono", style: "position:absolute;visibility:hidden;font-size:13px" }, "0".repeat(100));
    document.body.append(probe);
    const wide = probe.getBoundingClientRect().width / 100;
    probe.remove();
    const box = area.getBoundingClientRect();
    const left = box.left + 14 + before[before.length - 1].length * wide - area.scrollLeft;
    const top = box.top + 10 + before.length * 20 - area.scrollTop + 3;
    popup.style.left = `${Math.max(4, Math.min(left - 8, innerWidth - popup.offsetWidth - 8))}px`;
    popup.style.top = `${top + popup.offsetHeight > innerHeight ? top - popup.offsetHeight - 26 : top}px`;
  }

  function complete(asked) {
    const typed = word();
    if (!asked && typed.length < 2) { close(); return; }
    const wanted = typed.toLowerCase();
    const all = [...names(), ...FUNCTIONS.map((name) => ({ name, kind: "function" })), ...KEYWORDS.map((name) => ({ name, kind: "" }))];
    const rank = (one) => {
      const lower = one.name.toLowerCase();
      const at = lower.startsWith(wanted) ? 0 : wanted.length > 2 && lower.includes(wanted) ? 2 : -1;
      return at < 0 ? -1 : at + (one.near ? 0 : 1);
    };
    choices = all.map((one) => ({ ...one, rank: rank(one) })).filter((one) => one.rank >= 0)
      .sort((a, b) => a.rank - b.rank);
    choices = [...new Map(choices.toReversed().map((one) => [`${one.name} ${one.kind}`, one])).values()].toReversed().slice(0, 40);
    if (choices.length === 0 || (choices.length === 1 && choices[0].name.toLowerCase() === wanted)) { close(); return; }
    chosen = 0;
    list();
  }
  function list() {
    popup.replaceChildren(...choices.map((one, at) => h("div", {
      role: "option", "aria-selected": String(at === chosen), onmousedown: (event) => { event.preventDefault(); chosen = at; accept(); },
    }, h("span", null, one.name), h("span", null, one.kind))));
    if (!popup.isConnected) root.append(popup);
    popup.hidden = false;
    place();
    popup.children[chosen]?.scrollIntoView({ block: "nearest" });
  }
  function accept() {
    const one = choices[chosen];
    const typed = word();
    let text = one.name;
    if (one.kind === "function") text += "(";
    else if (!/^[A-Za-z_$][\w$]*$/.test(text)) text = `"${text.replaceAll('"', '""')}"`;
    area.setSelectionRange(area.selectionStart - typed.length, area.selectionStart);
    insert(text);
    close();
  }
  /** Puts text in place of the selection, so that undo still works. */
  function insert(text) {
    area.focus();
    if (!document.execCommand("insertText", false, text)) {
      area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
      changed();
    }
  }
  function changed() {
    mark = null;
    paint();
    onchange?.(area.value);
  }

  area.addEventListener("input", () => { changed(); complete(false); });
  area.addEventListener("scroll", paint);
  area.addEventListener("blur", close);
  area.addEventListener("click", close);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      close();
      onrun();
    } else if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      complete(true);
    } else if (!popup.hidden && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      chosen = (chosen + (event.key === "ArrowDown" ? 1 : choices.length - 1)) % choices.length;
      list();
    } else if (!popup.hidden && (event.key === "Tab" || event.key === "Enter")) {
      event.preventDefault();
      accept();
    } else if (event.key === "Escape") {
      if (popup.hidden) area.blur();
      close();
      event.stopPropagation();
    } else if (event.key === "Tab" && !event.shiftKey && !event.ctrlKey) {
      event.preventDefault();
      insert("  ");
    }
  });
  paint();
  return {
    root,
    focus: () => area.focus(),
    insert,
    get value() { return area.value; },
    set value(text) { area.value = text; changed(); },
    /** Underlines from one-based (line, column) to the inclusive end. */
    mark(line, column, endLine = line, endColumn = column) {
      mark = { from: offsetOf(area.value, line, column), to: offsetOf(area.value, endLine, endColumn) + 1 };
      paint();
    },
    /** Puts the caret there. */
    goto(line, column) {
      const at = offsetOf(area.value, line, column);
      area.focus();
      area.setSelectionRange(at, at);
    },
  };
}
