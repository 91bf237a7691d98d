//! The tables at the end of a run.

use comfy_table::{CellAlignment, Table, presets};

use super::record::{ContestantInfo, Kind, Record, Scale};
use super::statistics::{Spread, median};
use super::summary::{self, Row, Standing, Summary};
use super::words;

/// What a workload's table is about, in one line.
pub(crate) fn head(summary: &Summary<'_>) -> String {
    let info = summary.info;
    format!(
        "{}: {}; size {}, {} workers",
        info.name, info.title, info.size, info.workers
    )
}

/// The contestants of a workload, the best first, and their other measures next to the one that
/// ranks.
pub(crate) fn workload(summary: &Summary<'_>) -> Table {
    let main = summary.main();
    let others = &summary.standings[1..];
    let mut table = new();
    let mut header = vec![
        "contestant".to_owned(),
        main.measure.name.clone(),
        "worst bound".to_owned(),
        "middle half".to_owned(),
        "n".to_owned(),
        format!("to {}", main.reference.name),
        "95 %".to_owned(),
    ];
    header.extend(others.iter().map(|it| it.measure.name.clone()));
    table.set_header(header);
    for row in &main.rows {
        let mut cells = cells(main, row);
        cells.extend(others.iter().map(|it| other(it, row.contestant)));
        table.add_row(cells);
    }
    align(&mut table);
    table
}

fn cells(standing: &Standing<'_>, row: &Row<'_>) -> Vec<String> {
    let unit = standing.measure.unit;
    let Spread {
        count,
        lower,
        median,
        upper,
        ..
    } = row.spread;
    let ratio = row.ratio;
    vec![
        mark(row.contestant),
        words::figure(median, unit),
        row.bound.map_or_else(String::new, words::bound),
        format!(
            "{}..{}",
            words::figure(lower, unit),
            words::figure(upper, unit)
        ),
        count.to_string(),
        ratio.map_or_else(String::new, words::ratio),
        ratio.map_or_else(String::new, words::interval),
    ]
}

/// The figures of each contestant at each bound; `None` if there was only one.
pub(crate) fn bounds(record: &Record, summary: &Summary<'_>) -> Option<Table> {
    let info = summary.info;
    let main = summary.main();
    let bounds = summary::bounds(record, info);
    if bounds.len() < 2 {
        return None;
    }
    let mut table = new();
    let mut header = vec![main.measure.name.clone()];
    let usual = || "usual bound".to_owned();
    header.extend(
        bounds
            .iter()
            .map(|it| it.or(info.capacity).map_or_else(usual, words::bound)),
    );
    table.set_header(header);
    for row in &main.rows {
        let figure = |&capacity: &Option<usize>| {
            let scale = Scale {
                capacity,
                ..info.scale()
            };
            let of = (info, main.measure);
            let figures = summary::figures_at(record, of, row.contestant, scale);
            let text = |figure| words::figure(figure, main.measure.unit);
            median(&figures).map_or_else(String::new, text)
        };
        let mut cells = vec![mark(row.contestant)];
        cells.extend(bounds.iter().map(figure));
        table.add_row(cells);
    }
    align(&mut table);
    Some(table)
}

/// The figure and ratio of a contestant by another measure.
fn other(standing: &Standing<'_>, contestant: &ContestantInfo) -> String {
    let row = standing
        .rows
        .iter()
        .find(|row| row.contestant == contestant);
    row.map_or_else(String::new, |row| {
        let figure = words::figure(row.spread.median, standing.measure.unit);
        match row.ratio {
            Some(ratio) => format!("{figure} ({})", words::ratio(ratio)),
            None => figure,
        }
    })
}

/// Ours are highlighted, and those with less to do are marked.
fn mark(contestant: &ContestantInfo) -> String {
    let name = &contestant.name;
    let name = match contestant.kind {
        Kind::Ours => format!("> {name}"),
        Kind::Floor => format!("_ {name}"),
        Kind::Variant => format!("~ {name}"),
        Kind::Library | Kind::HandWritten => name.clone(),
    };
    if contestant.is_bounded {
        name
    } else {
        format!("{name} *")
    }
}

/// What the marks mean.
pub(crate) const LEGEND: &str = "> ours, ~ a variant of ours, _ a floor (no pool), * without a bound: it never waits for room, and so has less to do.\n\
    A ratio below 1 is better than the best peer. Behind another measure: its ratio to the best peer by that measure.";

/// For each workload, the best of ours next to the best peer.
pub(crate) fn duels(summaries: &[Summary<'_>]) -> Table {
    let mut table = new();
    table.set_header([
        "workload",
        "best of ours",
        "best peer",
        "ratio",
        "95 %",
        "ours is",
    ]);
    for summary in summaries {
        let standing = summary.main();
        let unit = standing.measure.unit;
        let Some(duel) = standing.duel() else {
            continue;
        };
        let side =
            |row: &Row<'_>| format!("{} {}", row.who(), words::figure(row.spread.median, unit));
        table.add_row([
            summary.info.name.clone(),
            side(duel.ours),
            side(duel.peer),
            words::ratio(duel.ratio),
            words::interval(duel.ratio),
            words::verdict(duel.ratio, unit),
        ]);
    }
    align(&mut table);
    table
}

pub(crate) fn new() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table
}

/// Names to the left, figures to the right.
pub(crate) fn align(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

#[cfg(test)]
mod tests {
    use super::super::made_up;
    use super::*;

    fn rows(table: &Table) -> Vec<Vec<String>> {
        let text = table.to_string();
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect();
        text.lines().skip(2).map(cells).collect()
    }

    #[test]
    fn the_fastest_is_first_and_ours_stand_out() {
        let record = made_up::record(&[
            ("empty", "channel", &[300.0, 200.0, 900.0]),
            ("empty", "peer", &[100.0]),
        ]);
        let summaries = summary::summaries(&record);
        let rows = rows(&workload(&summaries[0]));
        assert_eq!(
            rows[0][1..7],
            ["peer *", "100 ns", "", "100 ns..100 ns", "1", "1.00"]
        );
        assert_eq!(
            rows[1][1..7],
            ["> channel", "300 ns", "", "250 ns..600 ns", "3", "3.00"]
        );
    }

    #[test]
    fn each_bound_has_a_column_and_those_without_one_a_single_figure() {
        let mut record = made_up::record(&[
            ("empty", "channel", &[50.0]),
            ("empty", "peer", &[100.0]),
            ("results", "channel", &[50.0]),
        ]);
        record.workloads[0].capacity = Some(1024);
        let bounds_of_channel: [(usize, &[f64]); 2] = [(usize::MAX, &[70.0]), (100, &[60.0])];
        let record = made_up::with_bounds(record, ("empty", "channel"), &bounds_of_channel);
        let summaries = summary::summaries(&record);
        let rows = rows(&bounds(&record, &summaries[0]).unwrap());
        assert_eq!(
            rows[0][1..5],
            ["> channel", "60.0 ns", "50.0 ns", "70.0 ns"]
        );
        assert_eq!(rows[1][1..5], ["peer *", "", "100 ns", ""]);
        assert!(bounds(&record, &summaries[1]).is_none());
    }

    #[test]
    fn a_duel_names_both_and_says_who_is_faster() {
        let record = made_up::record(&[
            ("empty", "channel", &made_up::around(100.0)),
            ("empty", "rayon", &made_up::around(400.0)),
            ("empty", "peer", &made_up::around(200.0)),
            ("results", "channel", &made_up::around(100.0)),
        ]);
        let rows = rows(&duels(&summary::summaries(&record)));
        assert_eq!(rows.len(), 1, "a workload without peers has no duel");
        assert_eq!(
            rows[0][1..5],
            ["empty", "channel 100 ns", "peer 200 ns", "0.50"]
        );
        assert_eq!(rows[0][6], "2.00× faster");
    }
}
