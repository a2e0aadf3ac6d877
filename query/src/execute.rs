//! Executes a plan over segments: prune, split into tasks, run them on the thread pool at hand, merge.
//!
//! Must not know: where segments come from. Invariant: see the crate's.

use std::ops::Range;
use std::sync::Arc;

use common::{Block, Values};
use functions::{Grouped, Groups};
use parking_lot::Mutex;
use rayon::prelude::*;
use segment::{Docs, Segment};

use crate::expr::{BoundExpr, without_made_nulls};
use crate::filter::{SegmentFilter, bounds};
use crate::group_by::{GroupTable, SegmentKeys};
use crate::kernel::Kernel;
use crate::limits::Limits;
use crate::merge::Partial;
use crate::plan::{Plan, PlanAggregation, Shape};
use crate::project::{BLOCK_ROWS, Projection, SegmentColumns};
use crate::scan::Scan;
use crate::select::Cut;
use crate::star_tree::Search;
use crate::statistics::SeenIds;
use crate::stats::QueryStats;
use crate::{QueryError, prune, select, stand_ins, star_tree, statistics, truncated};

/// Fewest and most rows of one task: segments are split so that all threads work on one query, but groups of one segment are
/// cheaper to find together.
const TASK_ROWS: Range<u32> = 1 << 16..1 << 20;

/// Rows of one task where the best segment's rows make those of the others needless: all threads look at that segment first.
const CUT_ROWS: u32 = 1 << 18;

/// Rows up to which other threads are not woken.
const ALONE_ROWS: u32 = 1 << 13;

/// What a server answers with: the merged partial result and its counters.
pub struct Executed {
    /// The result so far.
    pub partial: Partial,
    /// Counters.
    pub stats: QueryStats,
}

/// A segment with its part of the work.
pub(crate) struct Task<'a> {
    pub(crate) segment: &'a dyn Segment,
    pub(crate) rows: Range<u32>,
    /// Records of a star-tree that answer for all rows.
    pub(crate) search: Option<Search<'a>>,
}

/// Executes on the threads of the rayon pool that the caller is one of; outside of a pool on the calling thread alone, for the pool of
/// the whole process would have to be woken first. `host` is what `$hostName` shows.
///
/// # Errors
/// The first error of any segment.
pub fn execute(
    plan: &Plan,
    segments: &[Arc<dyn Segment>],
    limits: &Limits,
    host: &str,
) -> Result<Executed, QueryError> {
    let mut stats = QueryStats::default();
    let segments = truncated::completed(plan, segments);
    let kept = prune::select(plan, &segments, &mut stats);
    let possible: Vec<Range<u32>> = kept
        .iter()
        .map(|segment| bounds::possible(plan, segment.as_ref()))
        .collect();
    let rows: u64 = possible.iter().map(|rows| rows.len() as u64).sum();
    let cut = Cut::new(plan);
    let alone = rows <= u64::from(ALONE_ROWS) || rayon::current_thread_index().is_none();
    let task_rows = if alone || rows <= u64::from(TASK_ROWS.start) {
        rows
    } else if cut.is_known() {
        u64::from(CUT_ROWS)
    } else {
        let threads = rayon::current_num_threads().max(1) as u64;
        (rows / (threads * 2)).clamp(u64::from(TASK_ROWS.start), TASK_ROWS.end.into())
    };
    let task_rows = u32::try_from(task_rows).unwrap_or(u32::MAX);
    let tasks: Vec<Task<'_>> = kept
        .iter()
        .zip(possible)
        .flat_map(|(segment, rows)| tasks_of(plan, segment.as_ref(), rows, task_rows))
        .collect();
    let parts = run_all(plan, tasks, &cut, alone, limits, host)?;
    let mut partials = Vec::with_capacity(parts.len());
    for (part, part_stats) in parts {
        stats.add(&part_stats);
        partials.push(part);
    }
    limits.check()?;
    let partial = Partial::merge_all(partials, plan)?;
    Ok(Executed { partial, stats })
}

type Part = (Partial, QueryStats);

/// Runs tasks on all threads, those first that ORDER BY puts first; answers in the order of the tasks.
fn run_all(
    plan: &Plan,
    tasks: Vec<Task<'_>>,
    cut: &Cut,
    alone: bool,
    limits: &Limits,
    host: &str,
) -> Result<Vec<Part>, QueryError> {
    let alone = alone || tasks.len() < 2 || tasks.iter().all(|task| task.search.is_some());
    if alone {
        let run = |task| run_task(plan, task, cut, limits, host);
        return tasks.into_iter().map(run).collect();
    }
    let mut queue: Vec<(usize, Task<'_>)> = tasks.into_iter().enumerate().collect();
    // Taken from the end.
    queue.sort_by_key(|(at, task)| std::cmp::Reverse((cut.best(task.segment), *at)));
    let count = queue.len();
    let queue = Mutex::new(queue);
    let mut parts: Vec<(usize, Part)> = (0..count)
        .into_par_iter()
        .with_max_len(1)
        .filter_map(|_| {
            let (at, task) = queue.lock().pop()?;
            Some(run_task(plan, task, cut, limits, host).map(|part| (at, part)))
        })
        .collect::<Result<_, _>>()?;
    parts.sort_by_key(|(at, _)| *at);
    Ok(parts.into_iter().map(|(_, part)| part).collect())
}

/// The tasks of a segment: the possible rows shared out, the others with the first and the last.
fn tasks_of<'a>(
    plan: &Plan,
    segment: &'a dyn Segment,
    possible: Range<u32>,
    task_rows: u32,
) -> Vec<Task<'a>> {
    let docs = segment.doc_count();
    let task = |rows: Range<u32>, search| Task {
        segment,
        rows,
        search,
    };
    if let Some(search) = star_tree::search(plan, segment) {
        return vec![task(0..docs, Some(search))];
    }
    let block = BLOCK_ROWS as u32;
    let first = possible.start / block * block;
    let pieces = (possible.len() as u32).div_ceil(task_rows.max(1)).max(1);
    let size = (possible.end - first)
        .div_ceil(pieces)
        .next_multiple_of(block);
    let mut ends: Vec<u32> = (1..pieces)
        .map(|piece| first.saturating_add(piece.saturating_mul(size)))
        .filter(|end| *end < possible.end)
        .collect();
    ends.push(docs);
    let starts = std::iter::once(0).chain(ends.clone());
    starts
        .zip(&ends)
        .map(|(start, end)| task(start..*end, None))
        .collect()
}

fn run_task(
    plan: &Plan,
    mut task: Task<'_>,
    cut: &Cut,
    limits: &Limits,
    host: &str,
) -> Result<(Partial, QueryStats), QueryError> {
    limits.check()?;
    if let Some(search) = task.search.take() {
        return star_tree::run(plan, search);
    }
    let task = &task;
    plan.expect_indexes(task.segment)?;
    let columns = SegmentColumns::open(task.segment, &plan.columns, plan.null_handling, host);
    let valid = if is_distinct_of_dictionary(plan, task.segment) {
        None
    } else {
        task.segment.valid_docs().filter(|_| !plan.skip_upsert)
    };
    let docs = task.segment.doc_count();
    let filter = SegmentFilter::compile(
        &plan.filter,
        &columns,
        docs,
        valid.as_deref(),
        &plan.context,
    )?;
    let mut scan = Scan::new(plan, &columns, &filter, task.rows.clone(), limits);
    let partial = match &plan.shape {
        Shape::Selection { outputs } if cut.excludes(task.segment) => {
            select::no_rows(plan, outputs)
        }
        Shape::Selection { outputs } => select::rows(&mut scan, outputs, cut)?,
        Shape::Distinct { keys } => scan.groups(keys, &[], distinct_limit(plan))?,
        Shape::Aggregation {
            keys, aggregations, ..
        } if keys.is_empty() => scan.totals(aggregations, task)?,
        Shape::Aggregation {
            keys, aggregations, ..
        } => scan.groups(keys, aggregations, plan.group_limit)?,
    };
    let mut stats = scan.stats;
    let first = u64::from(task.rows.start == 0);
    stats.num_segments_processed = first;
    stats.num_segments_matched = u64::from(stats.num_docs_scanned > 0) * first;
    if task.segment.is_consuming() {
        stats.num_consuming_segments_processed = first;
        stats.num_consuming_segments_matched = stats.num_segments_matched;
    }
    Ok((partial, stats))
}

/// DISTINCT of one dictionary column without a filter: Pinot answers it from the dictionary, which also has the values of rows that an upsert
/// replaced.
fn is_distinct_of_dictionary(plan: &Plan, segment: &dyn Segment) -> bool {
    let Shape::Distinct { keys } = &plan.shape else {
        return false;
    };
    let [key] = keys.as_slice() else {
        return false;
    };
    let column = key.as_column().and_then(|index| plan.columns.get(index));
    let stored = column.and_then(|column| segment.column(&column.name));
    matches!(plan.filter, crate::plan::BoundFilter::Constant(true))
        && stored.is_some_and(|column| {
            column.dictionary().is_some() && !(plan.null_handling && column.nulls().is_some())
        })
}

/// DISTINCT without ORDER BY may stop at LIMIT keys; with it all are needed.
fn distinct_limit(plan: &Plan) -> usize {
    if plan.order_by.is_empty() {
        (plan.limit + plan.offset).max(1)
    } else {
        plan.group_limit
    }
}

impl Scan<'_> {
    /// Aggregations without keys.
    fn totals(
        &mut self,
        aggregations: &[PlanAggregation],
        task: &Task<'_>,
    ) -> Result<Partial, QueryError> {
        let mut states: Vec<Box<dyn Grouped>> =
            aggregations.iter().map(|a| a.function.grouped()).collect();
        states.iter_mut().for_each(|state| state.grow(1));
        let columns = self.columns;
        if !self.without_scan(aggregations, &mut states, task)? {
            if let Some(kernel) = Kernel::new(&[], aggregations, columns, self.rows.len(), 1) {
                let partial = kernel.run(self, aggregations)?;
                self.count_entries(aggregations, &[]);
                return Ok(partial);
            }
            let filters = own_filters(aggregations, columns, self.rows.end, self.plan)?;
            let mut by_ids: Vec<Option<SeenIds<'_>>> = aggregations
                .iter()
                .map(|aggregation| SeenIds::of(aggregation, columns))
                .collect();
            self.for_each_block(|scan, docs| {
                let mut projection = Projection::new(scan.columns, docs.clone());
                for (((aggregation, state), filter), seen) in aggregations
                    .iter()
                    .zip(&mut states)
                    .zip(&filters)
                    .zip(&mut by_ids)
                {
                    if let Some(seen) = seen {
                        seen.add(&docs);
                        continue;
                    }
                    match filter {
                        None => update(
                            aggregation,
                            state.as_mut(),
                            (Groups::One(docs.len()), None),
                            &mut projection,
                            scan.plan,
                        )?,
                        Some(filter) => {
                            let (kept, _) = scan.filtered(filter, &docs)?;
                            let mut part = Projection::new(scan.columns, Docs::List(&kept));
                            update(
                                aggregation,
                                state.as_mut(),
                                (Groups::One(kept.len()), None),
                                &mut part,
                                scan.plan,
                            )?;
                        }
                    }
                }
                Ok(true)
            })?;
            for (state, seen) in states.iter_mut().zip(&by_ids) {
                if let Some(values) = seen.as_ref().and_then(SeenIds::values) {
                    state.update(Groups::One(values.rows()), &[values])?;
                }
            }
            self.count_entries(aggregations, &[]);
        }
        Ok(Partial::Groups(GroupTable::from_distinct(
            Vec::new(),
            1,
            states,
        )))
    }

    /// Answers from counts and dictionaries where no row needs to be read.
    fn without_scan(
        &mut self,
        aggregations: &[PlanAggregation],
        states: &mut [Box<dyn Grouped>],
        task: &Task<'_>,
    ) -> Result<bool, QueryError> {
        let whole = task.rows.start == 0 && task.rows.end == task.segment.doc_count();
        let Some(count) = self.filter.exact_count() else {
            return Ok(false);
        };
        if !whole || aggregations.iter().any(|a| a.filter.is_some()) {
            return Ok(false);
        }
        let everything = self.filter.matches_all() && !task.segment.is_consuming();
        let mut plans = Vec::with_capacity(aggregations.len());
        for aggregation in aggregations {
            if aggregation.inputs.is_empty() {
                plans.push(None);
            } else if everything
                && let Some(values) = statistics::by_statistics(aggregation, self.columns)
                    .or_else(|| statistics::distinct_values(aggregation, self.columns))
            {
                plans.push(Some(values));
            } else {
                return Ok(false);
            }
        }
        for (state, plan) in states.iter_mut().zip(plans) {
            match plan {
                None => state.update(Groups::One(count as usize), &[])?,
                Some(block) => state.update(Groups::One(block.rows()), &[block])?,
            }
        }
        self.stats.num_docs_scanned = count;
        Ok(true)
    }

    /// The rows among `docs` that pass an aggregation's own filter, and their positions.
    fn filtered(
        &mut self,
        filter: &SegmentFilter<'_>,
        docs: &Docs<'_>,
    ) -> Result<(Vec<u32>, Vec<u32>), QueryError> {
        let mask = filter.among(docs.clone(), &mut self.stats.num_entries_scanned_in_filter)?;
        let mut positions = Vec::new();
        mask.collect_into(0, &mut positions);
        let kept = match docs {
            Docs::Range(rows) => positions.iter().map(|at| rows.start + at).collect(),
            Docs::List(rows) => positions.iter().map(|at| rows[*at as usize]).collect(),
        };
        Ok((kept, positions))
    }

    /// Groups, with or without aggregations.
    fn groups(
        &mut self,
        keys: &[crate::expr::BoundExpr],
        aggregations: &[PlanAggregation],
        limit: usize,
    ) -> Result<Partial, QueryError> {
        let columns = self.columns;
        if !aggregations.is_empty()
            && let Some(kernel) = Kernel::new(keys, aggregations, columns, self.rows.len(), limit)
        {
            let partial = kernel.run(self, aggregations)?;
            self.count_entries(aggregations, keys);
            return Ok(partial);
        }
        let filters = own_filters(aggregations, columns, self.rows.end, self.plan)?;
        let mut grouping = SegmentKeys::new(keys, columns, limit);
        grouping.keeps_nulls = matches!(self.plan.shape, Shape::Distinct { .. });
        let mut states: Vec<Box<dyn Grouped>> =
            aggregations.iter().map(|a| a.function.grouped()).collect();
        let stops_early = aggregations.is_empty() && self.plan.order_by.is_empty();
        let mut held = 0;
        let add = |scan: &mut Self, docs: Docs<'_>| {
            let mut projection = Projection::new(columns, docs.clone());
            let rows = grouping.group(&mut projection, &scan.plan.context)?;
            for ((aggregation, state), filter) in aggregations.iter().zip(&mut states).zip(&filters)
            {
                state.grow(grouping.count());
                scan.update_groups(
                    aggregation,
                    state.as_mut(),
                    filter.as_ref(),
                    &rows,
                    &docs,
                    &mut projection,
                )?;
            }
            let now = states.iter().map(|s| s.bytes()).sum::<usize>() + grouping.count() * 16;
            scan.limits.account("groups", held, now)?;
            held = now;
            Ok(!(stops_early && grouping.count() >= limit))
        };
        if stops_early {
            self.until_enough(add)?;
        } else {
            self.for_each_block(add)?;
        }
        self.limits.account("groups", held, 0)?;
        self.stats.num_groups_limit_reached |= grouping.limit_reached && !aggregations.is_empty();
        self.count_entries(aggregations, keys);
        let count = grouping.count();
        Ok(Partial::Groups(GroupTable::from_distinct(
            grouping.into_key_blocks(),
            count,
            states,
        )))
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the parts of one block, each needed"
    )]
    fn update_groups(
        &mut self,
        aggregation: &PlanAggregation,
        state: &mut dyn Grouped,
        filter: Option<&SegmentFilter<'_>>,
        rows: &crate::group_by::RowGroups,
        docs: &Docs<'_>,
        projection: &mut Projection<'_>,
    ) -> Result<(), QueryError> {
        let Some(filter) = filter else {
            let entries = rows.rows.as_deref();
            let groups = Groups::Each(&rows.groups);
            return update(aggregation, state, (groups, entries), projection, self.plan);
        };
        let (kept, positions) = self.filtered(filter, docs)?;
        let mut place = vec![None; docs.len()];
        for (at, position) in (0_u32..).zip(&positions) {
            place[*position as usize] = Some(at);
        }
        let row_of = |entry: usize| rows.rows.as_ref().map_or(entry, |e| e[entry] as usize);
        let passing = (0..rows.groups.len())
            .filter_map(|entry| Some((rows.groups[entry], place[row_of(entry)]?)));
        let (groups, entries): (Vec<u32>, Vec<u32>) = passing.unzip();
        // What does not pass is not evaluated: it may be what a function refuses.
        let mut part = Projection::new(self.columns, Docs::List(&kept));
        // Where each row has one entry, those that pass are the rows that are read.
        let entries = rows.rows.as_ref().map(|_| entries.as_slice());
        let groups = Groups::Each(&groups);
        update(aggregation, state, (groups, entries), &mut part, self.plan)
    }

    /// Counts the values that were read beside the filter's.
    fn count_entries(&mut self, aggregations: &[PlanAggregation], keys: &[crate::expr::BoundExpr]) {
        let mut read = std::collections::HashSet::new();
        for expr in aggregations.iter().flat_map(|a| &a.inputs).chain(keys) {
            expr.visit_columns(&mut |index| {
                read.insert(index);
            });
        }
        self.stats.num_entries_scanned_post_filter =
            self.stats.num_docs_scanned * read.len() as u64;
    }
}

/// The `FILTER (WHERE ..)` of each aggregation, compiled for a segment.
fn own_filters<'b>(
    aggregations: &'b [PlanAggregation],
    columns: &'b SegmentColumns<'b>,
    docs: u32,
    plan: &'b Plan,
) -> Result<Vec<Option<SegmentFilter<'b>>>, QueryError> {
    aggregations
        .iter()
        .map(|aggregation| {
            let Some(filter) = &aggregation.filter else {
                return Ok(None);
            };
            SegmentFilter::compile(filter, columns, docs, None, &plan.context).map(Some)
        })
        .collect()
}

/// An argument's values. An aggregation that never looks at nulls takes a function of the values that stand for them; where nulls
/// are not told apart, zero or an empty text stands for one that the function made.
fn argument(
    aggregation: &PlanAggregation,
    input: &BoundExpr,
    projection: &mut Projection<'_>,
    plan: &Plan,
) -> Result<Block, QueryError> {
    let replaces = matches!(input, BoundExpr::Call { .. })
        && (plan.null_handling || !input.is_blind_to_nulls());
    if replaces && !aggregation.function.sees_nulls() {
        return stand_ins::evaluate(input, projection, &plan.context);
    }
    let block = match aggregation.function.reads_values() {
        true => input.evaluate(projection, &plan.context)?,
        false => input.evaluate_presence(projection, &plan.context)?,
    };
    Ok(match plan.null_handling {
        true => block,
        false => without_made_nulls(input, block),
    })
}

/// Adds rows to the groups of an aggregation: the group of each entry, and where entries are not the rows, the row of each.
fn update(
    aggregation: &PlanAggregation,
    state: &mut dyn Grouped,
    (groups, entries): (Groups<'_>, Option<&[u32]>),
    projection: &mut Projection<'_>,
    plan: &Plan,
) -> Result<(), QueryError> {
    let mut inputs = Vec::with_capacity(aggregation.inputs.len());
    for input in &aggregation.inputs {
        let block = argument(aggregation, input, projection, plan)?;
        inputs.push(match entries {
            Some(entries) => block.take(entries),
            None => block,
        });
    }
    debug_assert!(
        inputs
            .iter()
            .all(|b| !matches!(b.values(), Values::Array(_)) || b.rows() == groups.rows())
    );
    state.update(groups, &inputs)?;
    Ok(())
}
