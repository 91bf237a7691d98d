//! The section of a workload: which contestant is first and by how much, the charts, and all
//! figures.

use anyhow::Result;
use benches::Measure;
use maud::{Markup, html};

use super::super::record::{Kind, Record, Unit};
use super::super::summary::{Duel, Row, Standing, Summary};
use super::super::words;
use super::{charts, class, figure, is_ours, lines, value};

pub(super) fn section(record: &Record, summary: &Summary<'_>) -> Result<Markup> {
    let info = summary.info;
    let main = summary.main();
    let figures = figures(record, summary)?;
    let columns = columns(&figures);
    Ok(html! {
        section id=(info.name) {
            h2 { (info.name) }
            p.title { (info.title) "." span.note { " Size " (words::count(info.size)) ", " (info.workers) " workers" } }
            p { (sentence(main)) }
            div.charts {
                @for column in columns.iter().filter(|it| !it.is_empty()) {
                    div { @for it in column { (figure(&it.title, &it.svg)) } }
                }
            }
            details {
                summary { "All figures" }
                @for standing in &summary.standings { (all_figures(standing)) }
            }
        }
    })
}

/// A chart and what is above it.
struct Figure {
    title: String,
    svg: String,
    height: u32,
}

fn figures(record: &Record, summary: &Summary<'_>) -> Result<Vec<Figure>> {
    let main = summary.main();
    let mut figures = vec![bars(main)?];
    let mut add = |title: String, svg| {
        figures.push(Figure {
            title,
            svg,
            height: lines::HEIGHT,
        });
    };
    for (family, svg) in lines::percentiles(summary)? {
        let title = if family.is_empty() {
            "Percentiles".to_owned()
        } else {
            format!("Percentiles: {}", family.replace('-', " "))
        };
        add(title, svg);
    }
    for (title, svg) in lines::scaling(record, summary)? {
        add(format!("{} {title}", words::title(&main.measure.name)), svg);
    }
    for standing in &summary.standings[1..] {
        // The curves already show the percentiles; counts are among all figures.
        let name = standing.measure.name.as_str();
        let counts = [Measure::SLEEPS_PER_JOB, Measure::SYSTEM_CALLS_PER_JOB];
        let is_count = counts.iter().any(|it| it.name == name);
        if !is_count && !lines::is_on_curve(summary, name) {
            figures.push(bars(standing)?);
        }
    }
    Ok(figures)
}

fn bars(standing: &Standing<'_>) -> Result<Figure> {
    Ok(Figure {
        title: words::title(&standing.measure.name),
        svg: charts::bars(standing)?,
        height: charts::height(standing)?,
    })
}

/// Two columns of about the same height, filled in order.
fn columns(figures: &[Figure]) -> [Vec<&Figure>; 2] {
    let mut columns = [Vec::new(), Vec::new()];
    let mut heights = [0, 0];
    for figure in figures {
        let shorter = usize::from(heights[1] < heights[0]);
        columns[shorter].push(figure);
        heights[shorter] += figure.height;
    }
    columns
}

/// Which contestant is first, and where the best of ours stands.
fn sentence(standing: &Standing<'_>) -> Markup {
    let unit = standing.measure.unit;
    let figure = |row: &Row<'_>| value(row.spread.median, unit);
    let Some(first) = standing.best(|kind| kind != Kind::Floor) else {
        return html! { "Nobody but a floor takes part." };
    };
    let duel = standing.duel();
    html! {
        strong { (first.contestant.name) } " is first with " (figure(first)) (at_bound(first))
        @match duel {
            Some(duel) => {
                @if is_ours(first.contestant) { ": " } @else {
                    ". Of ours, " strong { (duel.ours.contestant.name) } " is best with " (figure(duel.ours)) (at_bound(duel.ours)) ": "
                }
                (against(&duel, unit)) "."
            }
            None => { ". No peer takes part; ratios are to " (standing.reference.name) "." }
        }
    }
}

/// Nothing for a contestant that was sampled at one bound alone.
fn at_bound(row: &Row<'_>) -> String {
    row.bound.map_or_else(String::new, |bound| {
        format!(" at its worst bound ({})", words::bound(bound))
    })
}

/// `1.42× slower than the best peer, which is …`
fn against(duel: &Duel<'_>, unit: Unit) -> Markup {
    let class = class(duel.ratio);
    html! {
        span.verdict.(class) { (words::verdict(duel.ratio, unit)) }
        @match (class, duel.ratio.interval) {
            ("level", None) => " beside ",
            ("level", Some(_)) => " with ",
            _ => " than ",
        }
        "the best peer, " (duel.peer.contestant.name)
        @if let Some((low, high)) = duel.ratio.interval {
            " (ratio " (words::ratio(duel.ratio)) ", 95 % interval " (format!("{low:.2} to {high:.2}")) ")"
        }
    }
}

fn all_figures(standing: &Standing<'_>) -> Markup {
    let unit = standing.measure.unit;
    html! {
        div.scroll { table {
            thead { tr {
                th { (standing.measure.name) }
                th.number { "median" } th.number { "middle half" } th.number { "least..most" } th.number { "n" }
                th.number { "to " (standing.reference.name) } th.number { "95 %" }
            } }
            tbody {
                @for row in &standing.rows {
                    tr.ours[is_ours(row.contestant)] {
                        td { (row.who()) @if !row.contestant.is_bounded { " *" } }
                        td.number { (value(row.spread.median, unit)) }
                        td.number { (value(row.spread.lower, unit)) ".." (value(row.spread.upper, unit)) }
                        td.number { (value(row.spread.least, unit)) ".." (value(row.spread.most, unit)) }
                        td.number { (row.spread.count) }
                        td.number { @if let Some(ratio) = row.ratio { (words::ratio(ratio)) } }
                        td.number { @if let Some(ratio) = row.ratio { (words::interval(ratio)) } }
                    }
                }
            }
        } }
    }
}
