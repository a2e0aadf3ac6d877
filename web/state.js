// What the tables' state is, put together from the REST answers: segments, replicas, offsets, lag.
// Pure reading and arithmetic; it draws nothing. A call that fails leaves its part undefined.

import { get, part, Refused } from "./dom.js";

const SAMPLES = 240;
/** table -> [{at, offset, lag, perPartition}], oldest first; lives as long as the page. */
const samples = new Map();

/** A request whose failure is an answer too; only a lost connection is thrown on. */
async function maybe(path, signal, failed) {
  try {
    return await get(path, signal);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    failed?.push(error);
    return undefined;
  }
}

const sum = (numbers) => numbers.reduce((total, n) => total + n, 0);
const number = (text) => (text === undefined || text === null || text === "" ? NaN : Number(text));
const UNITS = { MILLISECONDS: 1, SECONDS: 1e3, MINUTES: 60e3, HOURS: 3600e3, DAYS: 86400e3 };

/** The consumption of every partition: offset, newest offset upstream, lag; the least of the replicas. */
function partitions(info) {
  const found = new Map();
  for (const [segment, replicas] of Object.entries(info?._segmentToConsumingInfoMap ?? {})) {
    for (const replica of replicas) {
      const offsets = replica.partitionOffsetInfo ?? {};
      for (const [id, offset] of Object.entries(offsets.currentOffsetsMap ?? replica.partitionToOffsetMap ?? {})) {
        const one = {
          id, segment, offset: number(offset), state: replica.consumerState, server: replica.serverName, seen: replica.lastConsumedTimestamp,
          upstream: number(offsets.latestUpstreamOffsetMap?.[id]), lag: number(offsets.recordsLagMap?.[id]), lagMs: number(offsets.availabilityLagMsMap?.[id]),
        };
        if (!(found.get(id)?.lag <= one.lag)) found.set(id, one);
      }
    }
  }
  return [...found.values()].sort((a, b) => a.id.localeCompare(b.id, undefined, { numeric: true }));
}

function sample(table, parts) {
  if (parts.length === 0) return samples.get(table) ?? [];
  const known = samples.get(table) ?? [];
  const lags = parts.map((one) => one.lag).filter(Number.isFinite);
  known.push({ at: Date.now(), offset: sum(parts.map((one) => one.offset || 0)), lag: lags.length ? sum(lags) : NaN, each: Object.fromEntries(parts.map((one) => [one.id, one.lag])) });
  if (known.length > SAMPLES) known.shift();
  samples.set(table, known);
  return known;
}

/** Rows a second over the last samples; NaN before there are two. */
function rate(known) {
  const last = known[known.length - 1];
  const first = known[Math.max(0, known.length - 4)];
  return last && first !== last ? Math.max(0, ((last.offset - first.offset) * 1000) / (last.at - first.at)) : NaN;
}

/** Segments with their state on every replica, wanted and real. */
function segments(ideal, view, zk, size) {
  const rows = [];
  for (const type of ["OFFLINE", "REALTIME"]) {
    const wanted = ideal?.[type] ?? {};
    const real = view?.[type] ?? {};
    for (const name of new Set([...Object.keys(wanted), ...Object.keys(real)])) {
      const servers = [...new Set([...Object.keys(wanted[name] ?? {}), ...Object.keys(real[name] ?? {})])].sort();
      const meta = zk?.[name] ?? {};
      const unit = UNITS[meta["segment.time.unit"]] ?? 1;
      rows.push({
        name, type, meta,
        replicas: servers.map((server) => ({ server, wanted: wanted[name]?.[server], real: real[name]?.[server] })),
        status: meta["segment.realtime.status"] ?? (type === "OFFLINE" ? "UPLOADED" : ""),
        start: meta["segment.realtime.startOffset"], end: meta["segment.realtime.endOffset"],
        docs: number(meta["segment.total.docs"]), created: number(meta["segment.creation.time"]),
        from: number(meta["segment.start.time"]) * unit, to: number(meta["segment.end.time"]) * unit,
        bytes: number(size?.[type === "OFFLINE" ? "offlineSegments" : "realtimeSegments"]?.segments?.[name]?.reportedSizeInBytes ?? meta["segment.size.in.bytes"]),
      });
    }
  }
  const trouble = (row) => row.replicas.some((one) => one.wanted !== one.real);
  return rows.sort((a, b) => trouble(b) - trouble(a) || (b.created || 0) - (a.created || 0) || a.name.localeCompare(b.name, undefined, { numeric: true }));
}

function health(rows, view, paused) {
  if (view === undefined) return ["", "unknown"];
  const replicas = rows.flatMap((row) => row.replicas);
  const bad = replicas.filter((one) => one.real === "ERROR").length;
  if (bad > 0) return ["bad", `${bad} in error`];
  const dark = rows.filter((row) => row.replicas.some((one) => one.wanted && one.wanted !== "OFFLINE") && row.replicas.every((one) => !["ONLINE", "CONSUMING"].includes(one.real))).length;
  if (dark > 0) return ["bad", `${dark} unavailable`];
  const moving = replicas.filter((one) => one.wanted && one.wanted !== one.real).length;
  if (moving > 0) return ["warn", `${moving} converging`];
  return paused ? ["warn", "paused"] : ["good", "healthy"];
}

/** Everything about one table that its row and its page show. */
export async function tableState(table, signal, { zk: withSegments = true } = {}) {
  const failed = [];
  const path = `/tables/${part(table)}`;
  const [config, ideal, view, size, metadata] = await Promise.all([
    maybe(path, signal, failed), maybe(`${path}/idealstate`, signal, failed), maybe(`${path}/externalview`, signal, failed),
    maybe(`${path}/size`, signal, failed), maybe(`${path}/metadata`, signal, failed),
  ]);
  const types = ["OFFLINE", "REALTIME"].filter((type) => config?.[type] || ideal?.[type]);
  const realtime = types.includes("REALTIME");
  const [info, pause, zk] = await Promise.all([
    realtime ? maybe(`${path}/consumingSegmentsInfo`, signal, failed) : undefined,
    realtime ? maybe(`${path}/pauseStatus`, signal, failed) : undefined,
    withSegments || realtime ? maybe(`/segments/${part(table)}/zkmetadata`, signal, failed) : undefined,
  ]);
  const rows = segments(ideal, view, zk, size);
  const parts = partitions(info);
  // Rows that are being consumed are in no segment's count yet: offsets tell how many there are.
  const consuming = sum(parts.map((one) => Math.max(0, one.offset - number(zk?.[one.segment]?.["segment.realtime.startOffset"])) || 0));
  const sealed = rows.some((row) => Number.isFinite(row.docs)) ? sum(rows.map((row) => row.docs || 0)) : number(metadata?.numRows);
  const known = sample(table, parts);
  const [level, words] = health(rows, view, pause?.pauseFlag);
  return {
    table, types, config, rows, parts, pause, metadata, failed, samples: known, level, words,
    docs: Number.isFinite(sealed) || consuming > 0 ? (sealed || 0) + consuming : rows.length === 0 ? 0 : NaN,
    bytes: size?.reportedSizeInBytes ?? metadata?.diskSizeInBytes ?? NaN,
    rate: realtime ? rate(known) : NaN,
    lag: parts.some((one) => Number.isFinite(one.lag)) ? sum(parts.map((one) => one.lag || 0)) : NaN,
  };
}
