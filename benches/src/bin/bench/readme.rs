//! The figures in the documents: generated from the committed run, and checked against it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::record::{Record, file_of};
use super::summary::{self, Summary};
use super::words;
use crate::root;

/// Where the committed run is, from the root.
const RESULTS: &str = "benches/results";
const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// A document that quotes the committed run.
struct Document {
    /// Its path, from the root.
    path: &'static str,
    /// The path to [`RESULTS`], from the document.
    results: &'static str,
    /// The workloads that have a row, in this order; `None` for all of them.
    workloads: Option<&'static [&'static str]>,
}

/// Three wins and two losses: what most users do, and where the best peer is clearly ahead.
const README: Document = Document {
    path: "README.md",
    results: RESULTS,
    workloads: Some(&["empty", "results", "spawn-inside", "chain", "join-large"]),
};

const BENCHMARKS: Document = Document {
    path: "docs/benchmarks.md",
    results: "../benches/results",
    workloads: None,
};

const DOCUMENTS: [Document; 2] = [README, BENCHMARKS];

/// Rewrites the block between the markers of each document.
pub(crate) fn rewrite() -> Result<()> {
    let record = committed()?.with_context(|| missing("the documentation"))?;
    for document in &DOCUMENTS {
        let path = document.path;
        let file = root().join(path);
        let Some(new) = rewritten(&read(&file)?, &document.block(&record)?)? else {
            bail!("{path} has no `{BEGIN}` and `{END}` to write between");
        };
        fs::write(&file, new).with_context(|| format!("could not write {path}"))?;
        println!("{path} quotes the run of {}", record.environment.began);
    }
    Ok(())
}

/// An error if a document quotes anything other than the committed run. A document without markers
/// quotes nothing.
#[cfg(test)]
fn check() -> Result<()> {
    let record = committed()?;
    for document in &DOCUMENTS {
        let text = read(&root().join(document.path))?;
        document.compare(&text, record.as_ref())?;
    }
    Ok(())
}

fn missing(place: &str) -> String {
    format!("{place} has a place for figures, and there is no run at {RESULTS}")
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))
}

fn committed() -> Result<Option<Record>> {
    let directory = root().join(RESULTS);
    if !file_of(&directory).exists() {
        return Ok(None);
    }
    let record = Record::read(&directory)?;
    ensure!(
        !record.environment.quick,
        "the run at {RESULTS} is a quick one, whose figures mean little"
    );
    Ok(Some(record))
}

/// The bytes between the markers; `None` without markers.
fn between(text: &str) -> Result<Option<std::ops::Range<usize>>> {
    let places = |marker| {
        text.match_indices(marker)
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    match (places(BEGIN).as_slice(), places(END).as_slice()) {
        ([], []) => Ok(None),
        (&[begin], &[end]) if begin < end => Ok(Some(begin + BEGIN.len()..end)),
        _ => bail!("a document has one `{BEGIN}` and after it one `{END}`, or neither"),
    }
}

/// The text with a new block; `None` without markers.
fn rewritten(text: &str, block: &str) -> Result<Option<String>> {
    let Some(place) = between(text)? else {
        return Ok(None);
    };
    let (before, after) = (&text[..place.start], &text[place.end..]);
    Ok(Some(format!("{before}\n{block}{after}")))
}

impl Document {
    #[cfg(test)]
    fn compare(&self, text: &str, record: Option<&Record>) -> Result<()> {
        let path = self.path;
        let Some(record) = record else {
            ensure!(between(text)?.is_none(), missing(path));
            return Ok(());
        };
        let is_current = rewritten(text, &self.block(record)?)?.is_none_or(|new| new == text);
        ensure!(
            is_current,
            "{path} does not quote {RESULTS}: `cargo xtask bench --readme` writes it again"
        );
        Ok(())
    }

    /// A row for each of its workloads, losses too.
    fn block(&self, record: &Record) -> Result<String> {
        let environment = &record.environment;
        let mut lines = vec![
            "| workload | best of ours | best peer | ratio | 95 % interval | ours is |".to_owned(),
            "|---|---|---|---|---|---|".to_owned(),
        ];
        lines.extend(self.rows(record)?);
        lines.push(String::new());
        lines.push(format!(
            "Measured on {}, {} cores, with {}; a ratio below 1 is better than the best peer. [Raw data]({}/samples.json).",
            environment.cpu, environment.cores, environment.rustc, self.results
        ));
        lines.push(String::new());
        Ok(lines.join("\n"))
    }

    fn rows(&self, record: &Record) -> Result<Vec<String>> {
        let summaries = summary::summaries(record);
        let Some(workloads) = self.workloads else {
            return Ok(summaries.iter().filter_map(row).collect());
        };
        let quoted = workloads.iter().map(|name| {
            let summary = summaries.iter().find(|it| it.info.name == *name);
            summary
                .and_then(row)
                .with_context(|| format!("the run at {RESULTS} compares nothing on `{name}`"))
        });
        quoted.collect()
    }
}

fn row(summary: &Summary<'_>) -> Option<String> {
    let standing = summary.main();
    let unit = standing.measure.unit;
    let duel = standing.duel()?;
    let figure = |row: &summary::Row<'_>| {
        let bound = row
            .bound
            .map_or_else(String::new, |bound| format!(" ({})", words::bound(bound)));
        format!(
            "`{}` {}{bound}",
            row.contestant.name,
            words::figure(row.spread.median, unit)
        )
    };
    Some(format!(
        "| {} | {} | {} | {} | {} | {} |",
        summary.info.title,
        figure(duel.ours),
        figure(duel.peer),
        words::ratio(duel.ratio),
        words::interval(duel.ratio),
        words::verdict(duel.ratio, unit)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::made_up::{around, record, with_bounds};
    use super::*;

    fn run(channel: f64) -> Record {
        record(&[
            ("empty", "channel", &around(channel)),
            ("empty", "peer", &around(200.0)),
            ("results", "channel", &around(300.0)),
            ("results", "peer", &around(100.0)),
        ])
    }

    const ALL: Document = Document {
        path: "all.md",
        results: RESULTS,
        workloads: None,
    };

    fn block(channel: f64) -> String {
        ALL.block(&run(channel)).unwrap()
    }

    fn document(inside: &str) -> String {
        format!("# Pool\n{BEGIN}{inside}{END}\nMore.\n")
    }

    #[test]
    fn the_documents_quote_the_committed_run() {
        check().unwrap();
    }

    #[test]
    fn what_is_generated_is_what_the_check_accepts() {
        let text = rewritten(&document("\nold\n"), &block(100.0))
            .unwrap()
            .unwrap();
        ALL.compare(&text, Some(&run(100.0))).unwrap();
        assert!(
            text.starts_with("# Pool\n") && text.ends_with("\nMore.\n"),
            "{text}"
        );
        let other = ALL
            .compare(&text, Some(&run(150.0)))
            .unwrap_err()
            .to_string();
        assert!(other.contains("--readme"), "{other}");
        let edited = text.replace("2.00× faster", "3.00× faster");
        assert!(ALL.compare(&edited, Some(&run(100.0))).is_err());
    }

    #[test]
    fn wins_and_losses_have_a_row_each() {
        let block = block(100.0);
        let row = "| The workload empty | `channel` 100 ns | `peer` 200 ns | 0.50 |";
        assert!(block.contains(row), "{block}");
        assert!(block.contains("3.00× slower"), "{block}");
    }

    #[test]
    fn the_worst_bound_is_quoted() {
        let run = with_bounds(
            run(100.0),
            ("empty", "channel"),
            &[(100, &around(400.0)), (2000, &around(50.0))],
        );
        let block = ALL.block(&run).unwrap();
        let row = "| `channel` 400 ns (bound 100) | `peer` 200 ns | 2.00 |";
        assert!(block.contains(row), "{block}");
    }

    #[test]
    fn a_document_may_quote_some_workloads_in_its_own_order() {
        let quoting = |workloads| Document {
            workloads: Some(workloads),
            ..ALL
        };
        let rows = quoting(&["results", "empty"]).rows(&run(100.0)).unwrap();
        assert!(
            rows[0].contains("results") && rows[1].contains("empty"),
            "{rows:?}"
        );
        let rows = quoting(&["results"]).rows(&run(100.0)).unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
        let unknown = quoting(&["round-trip"]).rows(&run(100.0)).unwrap_err();
        assert!(unknown.to_string().contains("`round-trip`"), "{unknown}");
    }

    #[test]
    fn without_markers_nothing_is_quoted() {
        ALL.compare("# Pool\n", None).unwrap();
        ALL.compare("# Pool\n", Some(&run(1.0))).unwrap();
    }

    #[test]
    fn markers_without_a_run_are_an_error() {
        assert!(ALL.compare(&document("\n"), None).is_err());
    }

    #[test]
    fn markers_that_do_not_pair_are_an_error() {
        for text in [BEGIN.to_owned(), format!("{END}{BEGIN}"), document(BEGIN)] {
            assert!(between(&text).is_err(), "{text}");
        }
    }
}
