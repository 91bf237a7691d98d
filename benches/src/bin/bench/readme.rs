//! The README's figures: generated from the committed run, and held to it.

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

/// Writes the block between the markers again.
pub(crate) fn rewrite() -> Result<()> {
    let file = root().join("README.md");
    let text = read(&file)?;
    let record = committed()?.with_context(missing)?;
    let Some(new) = rewritten(&text, &block(&record))? else {
        bail!("README.md has no `{BEGIN}` and `{END}` to write between");
    };
    fs::write(&file, new).context("could not write README.md")?;
    println!("README.md quotes the run of {}", record.environment.began);
    Ok(())
}

fn missing() -> String {
    format!("README.md has a place for figures, and there is no run at {RESULTS}")
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
        _ => bail!("README.md has one `{BEGIN}` and after it one `{END}`, or neither"),
    }
}

/// The text with another block; `None` without markers.
fn rewritten(text: &str, block: &str) -> Result<Option<String>> {
    let Some(place) = between(text)? else {
        return Ok(None);
    };
    let (before, after) = (&text[..place.start], &text[place.end..]);
    Ok(Some(format!("{before}\n{block}{after}")))
}

/// A row for each workload, losses too.
fn block(record: &Record) -> String {
    let summaries = summary::summaries(record);
    let environment = &record.environment;
    let mut lines = vec![
        "| workload | best of ours | best peer | ratio | 95 % interval | ours is |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(summaries.iter().filter_map(row));
    lines.push(String::new());
    lines.push(format!(
        "Measured on {}, {} cores, with {}; a ratio below 1 is better than the best peer. [Raw data]({RESULTS}/samples.json).",
        environment.cpu, environment.cores, environment.rustc
    ));
    lines.push(String::new());
    lines.join("\n")
}

fn row(summary: &Summary<'_>) -> Option<String> {
    let standing = summary.main();
    let unit = standing.measure.unit;
    let duel = standing.duel()?;
    let figure = |row: &summary::Row<'_>| {
        format!(
            "`{}` {}",
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
    use super::super::made_up::{around, record};
    use super::*;

    fn run(channel: f64) -> Record {
        record(&[
            ("empty", "channel", &around(channel)),
            ("empty", "peer", &around(200.0)),
            ("results", "channel", &around(300.0)),
            ("results", "peer", &around(100.0)),
        ])
    }

    fn readme(inside: &str) -> String {
        format!("# Pool\n{BEGIN}{inside}{END}\nMore.\n")
    }

    /// Fails where the text quotes anything except the run. Without markers it quotes nothing.
    fn compare(text: &str, record: Option<&Record>) -> Result<()> {
        let Some(block) = record.map(block) else {
            ensure!(between(text)?.is_none(), missing());
            return Ok(());
        };
        let is_current = rewritten(text, &block)?.is_none_or(|new| new == text);
        ensure!(
            is_current,
            "README.md does not quote {RESULTS}: `cargo xtask bench --readme` writes it again"
        );
        Ok(())
    }

    #[test]
    fn the_readme_quotes_the_committed_run() {
        let text = read(&root().join("README.md")).unwrap();
        compare(&text, committed().unwrap().as_ref()).unwrap();
    }

    #[test]
    fn what_is_generated_is_what_the_check_accepts() {
        let text = rewritten(&readme("\nold\n"), &block(&run(100.0)))
            .unwrap()
            .unwrap();
        compare(&text, Some(&run(100.0))).unwrap();
        assert!(
            text.starts_with("# Pool\n") && text.ends_with("\nMore.\n"),
            "{text}"
        );
        let other = compare(&text, Some(&run(150.0))).unwrap_err().to_string();
        assert!(other.contains("--readme"), "{other}");
        let edited = text.replace("2.00× faster", "3.00× faster");
        assert!(compare(&edited, Some(&run(100.0))).is_err());
    }

    #[test]
    fn wins_and_losses_have_a_row_each() {
        let block = block(&run(100.0));
        let row = "| The workload empty | `channel` 100 ns | `peer` 200 ns | 0.50 |";
        assert!(block.contains(row), "{block}");
        assert!(block.contains("3.00× slower"), "{block}");
    }

    #[test]
    fn without_markers_nothing_is_quoted() {
        compare("# Pool\n", None).unwrap();
        compare("# Pool\n", Some(&run(1.0))).unwrap();
    }

    #[test]
    fn markers_without_a_run_are_an_error() {
        assert!(compare(&readme("\n"), None).is_err());
    }

    #[test]
    fn markers_that_do_not_pair_are_an_error() {
        for text in [BEGIN.to_owned(), format!("{END}{BEGIN}"), readme(BEGIN)] {
            assert!(between(&text).is_err(), "{text}");
        }
    }
}
