//! The report: one self-contained HTML file, for light and dark mode, desktop and phone.

mod axis;
mod charts;
mod ink;
mod lines;
mod section;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::record::{ContestantInfo, Kind, Record, Unit};
use super::statistics::{Ratio, Side};
use super::summary::Summary;
use super::words;

const STYLE: &str = include_str!("report/style.css");
const FILE: &str = "report.html";

/// Writes the report of a run into a directory and returns the file's name.
pub(crate) fn write(
    record: &Record,
    summaries: &[Summary<'_>],
    directory: &Path,
) -> Result<PathBuf> {
    let file = directory.join(FILE);
    let text = page(record, summaries)?.into_string();
    fs::write(&file, text).with_context(|| format!("could not write {}", file.display()))?;
    Ok(file)
}

fn page(record: &Record, summaries: &[Summary<'_>]) -> Result<Markup> {
    let sections: Result<Vec<Markup>> = summaries
        .iter()
        .filter(|it| !is_floor(it))
        .map(|it| section::section(record, it))
        .collect();
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Worker pool: benches" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(record))
                main {
                    (headline(summaries)?)
                    (which(record, summaries))
                    (legend())
                    @for section in sections? { (section) }
                    (floors(summaries))
                    (contestants(record))
                    (failures(record))
                    (method(record))
                }
            }
        }
    })
}

/// One of this project's backends, as its users use it.
fn is_ours(contestant: &ContestantInfo) -> bool {
    contestant.kind == Kind::Ours
}

/// A workload that no pool takes part in: it measures the machine.
fn is_floor(summary: &Summary<'_>) -> bool {
    summary.main().best(|kind| kind != Kind::Floor).is_none()
}

/// The class of a ratio: `win`, `level` or `loss`.
fn class(ratio: Ratio) -> &'static str {
    match ratio.side() {
        Side::Below => "win",
        Side::Unclear => "level",
        Side::Above => "loss",
    }
}

/// A chart and its caption.
fn figure(title: &str, svg: &str) -> Markup {
    html! {
        figure.chart role="img" aria-label=(title) {
            figcaption { (title) }
            (PreEscaped(svg))
        }
    }
}

fn header(record: &Record) -> Markup {
    let environment = &record.environment;
    let commit = environment.commit.get(..10).unwrap_or(&environment.commit);
    html! {
        header {
            h1 { "Worker pool: benches" }
            p.sub {
                (environment.began) " UTC · commit " code { (commit) } " · " (environment.cpu) ", " (environment.cores) " cores · "
                (words::count(record.samples.len())) " samples, each a process of its own"
            }
            @if environment.quick {
                p.warning { "A quick run: small samples, and few. It shows that all works; its figures mean little." }
            }
        }
    }
}

/// Wins and losses come first.
fn headline(summaries: &[Summary<'_>]) -> Result<Markup> {
    let duel =
        |summary: &Summary<'_>| -> Option<Side> { Some(summary.main().duel()?.ratio.side()) };
    let count = |side| summaries.iter().filter(|it| duel(it) == Some(side)).count();
    let mains: Vec<_> = summaries
        .iter()
        .map(|summary| (summary, summary.main()))
        .collect();
    let lines = mains.iter().filter_map(|(summary, standing)| {
        let duel = standing.duel()?;
        Some((summary.info.name.as_str(), duel, standing.measure.unit))
    });
    let mut lines: Vec<charts::DuelOf<'_>> = lines.collect();
    lines.sort_by(|a, b| a.1.ratio.value.total_cmp(&b.1.ratio.value));
    Ok(html! {
        section #headline {
            h2 { "Our best backend against the best peer" }
            div.tiles {
                (tile("win", count(Side::Below), "workloads where ours is ahead"))
                (tile("level", count(Side::Unclear), "where chance may be the difference"))
                (tile("loss", count(Side::Above), "where a peer is ahead"))
            }
            @if lines.is_empty() {
                p { "No workload had both a backend of ours and a peer." }
            } @else {
                (figure("Median of our best backend to the median of the best peer, with its 95 % interval", &charts::duels(&lines)?))
            }
        }
    })
}

fn tile(class: &str, count: usize, text: &str) -> Markup {
    html! {
        div.tile.(class) { strong { (count) } span { (text) } }
    }
}

/// Our backends side by side: for each workload, how far each is from the best of them.
fn which(record: &Record, summaries: &[Summary<'_>]) -> Markup {
    let runs = |contestant: &ContestantInfo| {
        let takes = |it: &&Summary<'_>| {
            it.main()
                .rows
                .iter()
                .any(|row| row.contestant == contestant)
        };
        summaries.iter().filter(takes).count()
    };
    // A backend that runs few workloads is there for these, not as a general choice.
    let ours = record.contestants.iter().filter(|it| is_ours(it));
    let most = ours.clone().map(runs).max().unwrap_or(0);
    let ours: Vec<&ContestantInfo> = ours.filter(|it| runs(it) * 2 > most).collect();
    html! {
        section #which {
            h2 { "Which backend suits which work" }
            p { "Each cell: the backend's median to that of our best one in the row. The last column: our best one to the best peer." }
            div.scroll {
                table {
                    thead { tr {
                        th { "workload" }
                        @for it in &ours { th.number { (it.name) } }
                        th.number { "to the best peer" }
                    } }
                    tbody {
                        @for summary in summaries.iter().filter(|it| !is_floor(it)) { (which_row(summary, &ours)) }
                    }
                }
            }
        }
    }
}

fn which_row(summary: &Summary<'_>, ours: &[&ContestantInfo]) -> Markup {
    let standing = summary.main();
    let best = standing
        .best(|kind| kind == Kind::Ours)
        .map(|row| row.spread.median);
    let cell = |contestant: &ContestantInfo| {
        let row = standing
            .rows
            .iter()
            .find(|row| row.contestant == contestant)?;
        best.filter(|&best| best > 0.0)
            .map(|best| row.spread.median / best)
    };
    let duel = standing.duel();
    html! {
        tr {
            td { a href={ "#" (summary.info.name) } { (summary.info.name) } div.note { (summary.info.title) } }
            @for contestant in ours {
                @match cell(contestant) {
                    Some(ratio) => td.number.(shade(ratio)) { (words::ratio(Ratio { value: ratio, interval: None })) },
                    None => td.number { "–" },
                }
            }
            @match duel {
                Some(duel) => td.number { span.(class(duel.ratio)) { (words::verdict(duel.ratio, standing.measure.unit)) } },
                None => td.number.note { "–" },
            }
        }
    }
}

/// How far a backend is from our best one, as a class.
fn shade(ratio: f64) -> &'static str {
    match ratio {
        it if it <= 1.05 => "best",
        it if it <= 1.25 => "near",
        it if it <= 2.0 => "far",
        _ => "farther",
    }
}

fn legend() -> Markup {
    let chips = [
        ("ours", "a backend of this pool"),
        ("variant", "one of them in another form"),
        ("library", "a library"),
        ("hand-written", "what one writes by hand"),
        ("floor", "a floor: no pool at all"),
    ];
    html! {
        section #legend {
            h2 { "How to read the charts" }
            p.chips {
                @for (class, text) in chips { span.chip { i.(class) {} (text) } " " }
            }
            p {
                "Shorter is better, always. The dark line is the middle half of the samples; behind the bar are the median and its ratio to the best peer. "
                "Dots on guide lines instead of bars: an axis in even ratios, for figures far apart. "
                "A star: no bound on the queue; such a pool never waits for room, and so has less to do."
            }
        }
    }
}

/// What the machine charges for the bare steps; nothing if none was measured.
fn floors(summaries: &[Summary<'_>]) -> Markup {
    let floors: Vec<&Summary<'_>> = summaries.iter().filter(|it| is_floor(it)).collect();
    html! {
        @if !floors.is_empty() {
            section #floors {
                h2 { "What this machine charges for the bare steps" }
                div.scroll { table { tbody {
                    @for summary in floors {
                        @for row in &summary.main().rows {
                            tr {
                                td { (summary.info.title) }
                                td.number { strong { (value(row.spread.median, summary.main().measure.unit)) } }
                            }
                        }
                    }
                } } }
            }
        }
    }
}

fn contestants(record: &Record) -> Markup {
    html! {
        section #contestants {
            h2 { "Who takes part" }
            div.scroll { table {
                tbody {
                    @for it in &record.contestants {
                        tr {
                            td { strong { (it.name) } @if !it.is_bounded { " *" } }
                            td.note { (it.note) }
                        }
                    }
                }
            } }
        }
    }
}

/// Empty if nothing failed.
fn failures(record: &Record) -> Markup {
    html! {
        @if !record.failures.is_empty() {
            section #failures {
                h2 { "Samples that failed" }
                ul {
                    @for it in &record.failures { li { code { (it.command) } ": " (it.reason) } }
                }
            }
        }
    }
}

fn method(record: &Record) -> Markup {
    html! {
        section #method {
            h2 { "Method and machine" }
            ul {
                li { "Each sample is a fresh process that measures one contestant once, after a warm-up that does not count." }
                li { "The contestants take turns, and each round starts with another one, so that a slow minute of the machine meets all of them." }
                li { "A figure is the median of the samples, and its spread their middle half. Nothing is left out as an outlier." }
                li { "A ratio is that of two medians. Its 95 % interval comes from " (words::count(2000)) " redraws of both sets of samples; if it holds 1, the two count as level. Fewer than five samples have no interval." }
                li { "The best peer is the library or hand-written pool with the best median in this very workload: another one each time." }
            }
            dl {
                @for (label, text) in record.environment.lines() { dt { (label) } dd { (text) } }
            }
        }
    }
}

/// A figure with its unit.
fn value(figure: f64, unit: Unit) -> String {
    words::figure(figure, unit)
}

#[cfg(test)]
mod tests {
    use super::super::made_up::{around, record, with_bounds};
    use super::super::summary;
    use super::*;

    fn text_of(record: &Record) -> String {
        page(record, &summary::summaries(record))
            .unwrap()
            .into_string()
    }

    fn run() -> Record {
        record(&[
            ("empty", "channel", &around(100.0)),
            ("empty", "rayon", &around(300.0)),
            ("empty", "peer", &around(200.0)),
            ("results", "channel", &around(900.0)),
            ("results", "peer", &around(100.0)),
            ("round-trip", "channel", &around(5.0)),
        ])
    }

    #[test]
    fn a_report_needs_nothing_from_elsewhere() {
        let text = text_of(&run());
        for word in ["<script", "src=", "<link", "@import", "url("] {
            assert!(!text.contains(word), "{word}");
        }
        let addresses = text.matches("http").count();
        assert_eq!(
            addresses,
            text.matches("http://www.w3.org/2000/svg").count()
        );
    }

    #[test]
    fn wins_and_losses_are_both_told() {
        let text = text_of(&run());
        assert!(text.contains("2.00× faster"), "the win");
        assert!(text.contains("9.00× slower"), "the loss");
        assert!(text.contains("<strong>1</strong><span>workloads where ours is ahead"));
        assert!(text.contains("<strong>1</strong><span>where a peer is ahead"));
    }

    #[test]
    fn each_workload_has_a_section_with_a_chart() {
        let text = text_of(&run());
        for name in ["empty", "results", "round-trip"] {
            assert!(text.contains(&format!("<section id=\"{name}\"")), "{name}");
        }
        assert_eq!(
            text.matches("<svg").count(),
            4,
            "one for each and the headline"
        );
    }

    #[test]
    fn what_only_a_floor_runs_is_a_line_and_no_section() {
        let mut record = run();
        record
            .samples
            .extend(super::super::made_up::record(&[("round-trip", "floor", &[5.0])]).samples);
        record
            .contestants
            .extend(super::super::made_up::record(&[("round-trip", "floor", &[5.0])]).contestants);
        record
            .samples
            .retain(|it| it.workload != "round-trip" || it.contestant == "floor");
        let text = text_of(&record);
        assert!(!text.contains("<section id=\"round-trip\""));
        assert!(text.contains("bare steps") && text.contains("The workload round-trip"));
    }

    #[test]
    fn bounds_have_a_curve_and_the_worst_is_named() {
        let mut run = run();
        assert!(!text_of(&run).contains("over the bound"));
        run.workloads[0].capacity = Some(1024);
        let bounds = [(100, around(300.0)), (usize::MAX, around(90.0))];
        let bounds = bounds.each_ref().map(|(bound, it)| (*bound, it.as_slice()));
        let text = text_of(&with_bounds(run, ("empty", "channel"), &bounds));
        assert!(text.contains("over the bound of the queue"), "the curve");
        assert!(text.contains("channel, bound 100"), "all figures");
        assert!(text.contains("none\n"), "the mark of no bound");
    }

    #[test]
    fn a_failure_is_shown_and_without_one_there_is_no_word_of_it() {
        let mut record = run();
        assert!(!text_of(&record).contains("Samples that failed"));
        record.failures.push(super::super::record::Failure {
            workload: "empty".to_owned(),
            contestant: "peer".to_owned(),
            command: "bench-sample empty peer".to_owned(),
            reason: "no end after 60 s".to_owned(),
        });
        assert!(text_of(&record).contains("no end after 60 s"));
    }

    #[test]
    fn names_are_escaped() {
        let mut record = run();
        record.workloads[0].title = "less <than> this & that".to_owned();
        assert!(text_of(&record).contains("less &lt;than&gt; this &amp; that"));
    }
}
