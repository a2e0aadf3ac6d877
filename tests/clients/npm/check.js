// The npm package `pinot-client` against a running Touriga.
// Usage: node check.js FACTS.json; prints `client | check | result`, exits with 1 if a check failed.
// Knows the facts file and the package's public interface, nothing of Touriga's own code.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const { ConnectionFactory } = require("pinot-client");

const facts = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
let failed = 0;

async function check(name, work) {
  try {
    await work();
    console.log(`npm pinot-client | ${name} | ok`);
  } catch (error) {
    failed += 1;
    console.log(`npm pinot-client | ${name} | FAILED: ${String(error.message || error).split(/\s+/).join(" ").slice(0, 600)}`);
  }
}

function same(got, wanted) {
  if (typeof wanted === "number" && typeof got === "number") {
    return Math.abs(got - wanted) <= 1e-6 * Math.max(1, Math.abs(wanted));
  }
  return got === wanted;
}

function expectRows(got, wanted) {
  assert.equal(got.length, wanted.length, `${got.length} rows, ${wanted.length} expected`);
  wanted.forEach((row, at) => {
    const ok = got[at].length === row.length && row.every((cell, column) => same(got[at][column], cell));
    assert.ok(ok, `row ${at} is ${JSON.stringify(got[at])}, ${JSON.stringify(row)} expected`);
  });
}

/** Counters that the package's types promise, in every answer. */
const COUNTERS = [
  "numServersQueried", "numServersResponded", "numSegmentsQueried", "numSegmentsProcessed", "numSegmentsMatched",
  "numConsumingSegmentsQueried", "numDocsScanned", "numEntriesScannedPostFilter", "totalDocs", "timeUsedMs",
  "minConsumingFreshnessTimeMs",
];

async function answers(connection, query) {
  const answer = await connection.execute("vendas", query.sql);
  assert.deepEqual(answer.resultTable.dataSchema.columnNames, query.columns);
  assert.deepEqual(answer.resultTable.dataSchema.columnDataTypes, query.types);
  expectRows(answer.resultTable.rows, query.rows);
  assert.equal(answer.totalDocs, query.totalDocs);
  COUNTERS.forEach((name) => assert.ok(Number.isInteger(answer[name]), `${name} is ${answer[name]}`));
  assert.equal(typeof answer.numGroupsLimitReached, "boolean");
  assert.equal(typeof answer.traceInfo, "object");
}

async function types(connection) {
  const wanted = facts.types;
  const answer = await connection.execute("alltypes", `SELECT ${wanted.columns.join(", ")} ${wanted.from}`);
  assert.deepEqual(answer.resultTable.dataSchema.columnDataTypes, wanted.types);
  answer.resultTable.rows[0].forEach((cell, at) => {
    let value = cell;
    if (wanted.types[at] === "JSON") value = JSON.parse(cell);
    if (wanted.types[at] === "TIMESTAMP") value = Date.parse(`${cell.replace(" ", "T")}Z`);
    // Numbers beyond 2^53 lose digits in the package's JSON parser, here as there.
    if (wanted.types[at] === "BIG_DECIMAL") assert.equal(Number(cell), Number(wanted.row[at]));
    else if (typeof wanted.row[at] === "object") assert.deepEqual(value, wanted.row[at]);
    else assert.ok(same(value, wanted.row[at]), `${wanted.columns[at]} is ${cell}, ${wanted.row[at]} expected`);
  });
}

async function refuses(connection, error) {
  await assert.rejects(connection.execute("vendas", error.sql), (raised) => {
    assert.ok(error.code.some((code) => raised.message.includes(`[CODE ${code}]`)), raised.message);
    return true;
  });
}

async function main() {
  const broker = facts.broker.replace("http://", "");
  const byList = ConnectionFactory.fromHostList([broker]);
  let byController;
  await check("connect by host list, SELECT 1", async () => {
    expectRows((await byList.execute("", "SELECT 1")).resultTable.rows, [[1]]);
  });
  await check("connect through the controller", async () => {
    byController = await ConnectionFactory.fromController(facts.controller);
    assert.deepEqual(byController.getBrokerList(), [broker]);
  });
  for (const query of facts.queries) {
    await check(`query: ${query.name}`, () => answers(byController, query));
  }
  await check("types: every value type", () => types(byController));
  for (const error of facts.errors) {
    await check(`error: ${error.name}`, () => refuses(byList, error));
  }
  await check("error: a table the controller does not know", () =>
    assert.rejects(byController.execute("nenhuma", facts.errors[1].sql), /No broker/));
  if (byController) byController.close();
  process.exit(failed > 0 ? 1 : 0);
}

main();
