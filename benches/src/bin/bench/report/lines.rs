//! The charts with a line for each contestant: percentiles, and how a cost grows.

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::super::record::{ContestantInfo, Record, Scale, Unit, WorkloadInfo};
use super::super::statistics::median;
use super::super::summary::{Standing, Summary, figures_at};
use super::axis::Axis;
use super::charts::{MARKS, SMALL, WIDTH, Words, mark, shortened, svg};
use super::{ink, is_ours};

/// The most lines of others to draw, the best first: more would be a tangle.
const OTHERS: usize = 3;
pub(super) const HEIGHT: u32 = 340;
/// The fewest points of a curve.
const MIN_POINTS: usize = 3;
/// Room for the names at the ends of the lines.
const NAMES: i32 = 166;
/// Room for the marks of the figures.
const MARKS_LEFT: u32 = 62;
/// The least distance between two such names.
const APART: i32 = 17;

/// A contestant's figures along an axis.
pub(super) struct Line<'a> {
    name: &'a str,
    color: RGBColor,
    is_ours: bool,
    points: Vec<(f64, f64)>,
}

/// What the horizontal axis shows.
pub(super) struct Along {
    axis: Axis,
    /// The text of each mark.
    texts: Vec<(f64, String)>,
    title: &'static str,
}

impl Along {
    fn new(axis: Axis, texts: Vec<(f64, String)>, title: &'static str) -> Self {
        Self { axis, texts, title }
    }

    fn text(&self, mark: f64) -> String {
        let found = self
            .texts
            .iter()
            .find(|(figure, _)| figure.total_cmp(&mark).is_eq());
        found.map_or_else(String::new, |(_, text)| text.clone())
    }
}

/// The contestants that get a line: ours, and the best of the others.
fn drawn<'a>(standing: &Standing<'a>) -> Vec<(&'a ContestantInfo, RGBColor)> {
    let mut ours: Vec<&ContestantInfo> = standing
        .rows
        .iter()
        .map(|row| row.contestant)
        .filter(|it| is_ours(it))
        .collect();
    // The same colour for the same name in every chart.
    ours.sort_by(|a, b| a.name.cmp(&b.name));
    let others = standing
        .rows
        .iter()
        .map(|row| row.contestant)
        .filter(|it| it.kind.is_peer());
    let ours = ours
        .into_iter()
        .enumerate()
        .map(|(index, it)| (it, ink::line_of_ours(index)));
    let others = others
        .take(OTHERS)
        .enumerate()
        .map(|(index, it)| (it, ink::line_of_others(index)));
    others.chain(ours).collect()
}

/// One chart for each family of percentiles that was measured.
pub(super) fn percentiles(summary: &Summary<'_>) -> Result<Vec<(String, String)>> {
    let names = summary
        .standings
        .iter()
        .filter_map(|it| percentile(&it.measure.name));
    let mut families: Vec<String> = names.map(|(family, _)| family).collect();
    families.dedup();
    let charts = families
        .into_iter()
        .map(|family| Ok((percentiles_of(summary, &family)?, family)));
    let charts: Result<Vec<(Option<String>, String)>> = charts.collect();
    Ok(charts?
        .into_iter()
        .filter_map(|(chart, family)| Some((family, chart?)))
        .collect())
}

/// `None` if there are too few.
fn percentiles_of(summary: &Summary<'_>, family: &str) -> Result<Option<String>> {
    let standings = family_of(summary, family);
    if standings.len() < MIN_POINTS {
        return Ok(None);
    }
    let first = standings[0];
    // Each nine takes the same room: the share above it is on a logarithmic scale.
    let above = |standing: &Standing<'_>| {
        percentile(&standing.measure.name).map(|(_, share)| 1.0 / (1.0 - share))
    };
    let lines = drawn(first).into_iter().map(|(contestant, color)| {
        let point = |standing: &&Standing<'_>| {
            let row = standing
                .rows
                .iter()
                .find(|row| row.contestant == contestant)?;
            Some((above(standing)?, row.spread.median))
        };
        Line {
            name: &contestant.name,
            color,
            is_ours: is_ours(contestant),
            points: standings.iter().filter_map(point).collect(),
        }
    });
    let texts: Vec<(f64, String)> = standings
        .iter()
        .filter_map(|it| Some((above(it)?, per_cent(percentile(&it.measure.name)?.1))))
        .collect();
    let places: Vec<f64> = texts.iter().map(|it| it.0).collect();
    let along = Along::new(
        Axis::marked(&places, places.clone()),
        texts,
        "this part of the jobs took no longer",
    );
    Ok(Some(draw(&along, lines.collect(), first.measure.unit)?))
}

/// The family and share of a measure that is a percentile: `p999` and `queue-wait-p99.9` are; the
/// first's family has no name.
fn percentile(measure: &str) -> Option<(String, f64)> {
    let (family, last) = measure.rsplit_once('-').unwrap_or(("", measure));
    let digits = last.strip_prefix('p')?.replace('.', "");
    let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    let share: f64 = is_number.then(|| format!("0.{digits}"))?.parse().ok()?;
    Some((family.to_owned(), share))
}

/// Whether `percentiles` has a curve for this measure.
pub(super) fn is_on_curve(summary: &Summary<'_>, measure: &str) -> bool {
    percentile(measure).is_some_and(|(family, _)| family_of(summary, &family).len() >= MIN_POINTS)
}

/// The standings of a family.
fn family_of<'s, 'a>(summary: &'s Summary<'a>, family: &str) -> Vec<&'s Standing<'a>> {
    let is_of =
        |it: &&Standing<'_>| percentile(&it.measure.name).is_some_and(|(name, _)| name == family);
    summary.standings.iter().filter(is_of).collect()
}

fn per_cent(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// How the first measure grows over workers and over sizes, if more than one was sampled.
pub(super) fn scaling(
    record: &Record,
    summary: &Summary<'_>,
) -> Result<Vec<(&'static str, String)>> {
    let mut charts = Vec::new();
    for growth in [Growth::WORKERS, Growth::SIZE, Growth::BOUND] {
        if let Some(chart) = growth.chart(record, summary)? {
            charts.push((growth.caption, chart));
        }
    }
    Ok(charts)
}

/// One of the ways in which a workload is scaled.
struct Growth {
    caption: &'static str,
    /// Below the axis.
    title: &'static str,
    /// The number that grows, and the scale with the usual number instead of it.
    split: fn(&WorkloadInfo, Scale) -> Option<(usize, Scale)>,
    /// Whether a contestant without a bound, which was sampled once, has that figure everywhere.
    is_level_without_bound: bool,
}

impl Growth {
    const WORKERS: Self = Self {
        caption: "over workers",
        title: "workers",
        split: |info, it| {
            let workers = info.workers;
            Some((it.workers, Scale { workers, ..it }))
        },
        is_level_without_bound: false,
    };
    const SIZE: Self = Self {
        caption: "over the number of jobs",
        title: "jobs",
        split: |info, it| {
            let size = info.size;
            Some((it.size, Scale { size, ..it }))
        },
        is_level_without_bound: false,
    };
    const BOUND: Self = Self {
        caption: "over the bound of the queue",
        title: "bound; without one, a single figure",
        split: |info, it| {
            let number = it.capacity.or(info.capacity)?;
            let capacity = None;
            Some((number, Scale { capacity, ..it }))
        },
        is_level_without_bound: true,
    };

    /// `None` if only one number was sampled.
    fn chart(&self, record: &Record, summary: &Summary<'_>) -> Result<Option<String>> {
        let numbers = self.numbers(record, summary.info);
        if numbers.len() < 2 {
            return Ok(None);
        }
        let main = summary.main();
        let lines = drawn(main).into_iter().map(|(contestant, color)| {
            let of = (summary.info, main.measure);
            let middle = |&(number, scale): &(usize, Scale)| {
                let figures = figures_at(record, of, contestant, scale);
                Some((place(number), median(&figures)?))
            };
            let mut points: Vec<(f64, f64)> = numbers.iter().filter_map(middle).collect();
            let is_level = self.is_level_without_bound && !contestant.is_bounded;
            if let ([(_, figure)], true) = (points.as_slice(), is_level) {
                points = level(*figure, &numbers);
            }
            Line {
                name: &contestant.name,
                color,
                is_ours: is_ours(contestant),
                points,
            }
        });
        let text = |&(number, _): &(usize, Scale)| (place(number), short(number));
        let texts: Vec<(f64, String)> = numbers.iter().map(text).collect();
        let places: Vec<f64> = texts.iter().map(|it| it.0).collect();
        let along = Along::new(Axis::marked(&places, places.clone()), texts, self.title);
        Ok(Some(draw(&along, lines.collect(), main.measure.unit)?))
    }

    /// The numbers that were sampled while all else was as usual, and where.
    fn numbers(&self, record: &Record, info: &WorkloadInfo) -> Vec<(usize, Scale)> {
        let samples = record.samples.iter().filter(|it| it.workload == info.name);
        let numbers = samples.map(Scale::from).filter_map(|scale| {
            let (number, usual) = (self.split)(info, scale)?;
            (usual == info.scale()).then_some((number, scale))
        });
        let mut numbers: Vec<_> = numbers.collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

/// The same figure at each number: one without a bound does not depend on it.
fn level(figure: f64, numbers: &[(usize, Scale)]) -> Vec<(f64, f64)> {
    let places = numbers.iter().map(|&(number, _)| place(number));
    places.map(|place| (place, figure)).collect()
}

/// Where a number lies on the axis.
#[expect(clippy::cast_precision_loss, reason = "a place on a chart")]
fn place(number: usize) -> f64 {
    /// Where no bound lies: not as far away as the largest number, which would leave no room for
    /// the others.
    const NO_BOUND: f64 = 10_000_000.0;
    match number {
        usize::MAX => NO_BOUND,
        number => number as f64,
    }
}

/// A count in few letters.
fn short(number: usize) -> String {
    match number {
        usize::MAX => "none".to_owned(),
        1_000_000.. if number.is_multiple_of(1_000_000) => format!("{} M", number / 1_000_000),
        1_000.. if number.is_multiple_of(1_000) => format!("{} k", number / 1_000),
        _ => number.to_string(),
    }
}

fn draw(along: &Along, mut lines: Vec<Line<'_>>, unit: Unit) -> Result<String> {
    lines.retain(|line| line.points.len() > 1);
    let figures: Vec<f64> = lines
        .iter()
        .flat_map(|line| line.points.iter().map(|it| it.1))
        .collect();
    let axis = Axis::logarithmic(&figures);
    svg(HEIGHT, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_right(NAMES)
            .margin_top(10)
            .margin_bottom(24)
            .x_label_area_size(MARKS)
            .y_label_area_size(MARKS_LEFT)
            .build_cartesian_2d(along.axis.clone(), axis.clone())?;
        let style = ("sans-serif", SMALL).into_font().color(&ink::MUTED);
        chart
            .configure_mesh()
            .bold_line_style(ink::GRID)
            .axis_style(ink::AXIS)
            .x_label_style(style.clone())
            .y_label_style(style)
            .x_label_formatter(&|&figure| along.text(figure))
            .y_label_formatter(&|&figure| mark(figure, unit))
            .draw()?;
        let mut ends = Vec::new();
        for line in &lines {
            let width = if line.is_ours { 3 } else { 2 };
            chart.draw_series(LineSeries::new(
                line.points.iter().copied(),
                line.color.stroke_width(width),
            ))?;
            chart.draw_series(
                line.points
                    .iter()
                    .map(|&at| Circle::new(at, width + 1, line.color.filled())),
            )?;
            ends.extend(line.points.last().map(|at| chart.backend_coord(at)));
        }
        let (_, edge) = chart.plotting_area().get_pixel_range();
        let names = apart(
            ends.iter().map(|end| end.1).collect(),
            (edge.start + 4, edge.end - 4),
        );
        let x = i32::try_from(WIDTH)? - NAMES + 10;
        for (line, y) in lines.iter().zip(names) {
            let name = shortened(line.name);
            Words::new(&name, (x, y), HPos::Left)
                .color(line.color)
                .bold(line.is_ours)
                .draw(area)?;
        }
        let middle = (i32::try_from(MARKS_LEFT)? + i32::try_from(WIDTH)? - NAMES) / 2;
        Words::new(
            along.title,
            (middle, i32::try_from(HEIGHT)? - 14),
            HPos::Center,
        )
        .muted()
        .draw(area)
    })
}

/// Moves the heights of names apart so that none covers another; keeps their order, within the
/// frame.
fn apart(wanted: Vec<i32>, (top, bottom): (i32, i32)) -> Vec<i32> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&index| wanted[index]);
    let mut moved = wanted;
    let mut above = top - APART;
    for &index in &order {
        moved[index] = moved[index].max(above + APART);
        above = moved[index];
    }
    let mut below = bottom + APART;
    for &index in order.iter().rev() {
        moved[index] = moved[index].min(below - APART);
        below = moved[index];
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_told_by_their_names() {
        let share = |name| percentile(name).map(|(family, share)| (family, per_cent(share)));
        assert_eq!(share("p50"), Some((String::new(), "50 %".to_owned())));
        assert_eq!(
            share("queue-wait-p99.9"),
            Some(("queue-wait".to_owned(), "99.9 %".to_owned()))
        );
        assert_eq!(share("time-per-job"), None);
        assert_eq!(share("peak"), None);
        assert_eq!(share("p999").unwrap().1, "99.9 %");
        assert_eq!(share("p"), None);
    }

    #[test]
    fn names_stay_apart_in_order_and_inside() {
        assert_eq!(apart(vec![100, 100, 50], (0, 200)), [100, 117, 50]);
        assert_eq!(apart(vec![195, 198], (0, 200)), [183, 200]);
        assert_eq!(apart(vec![], (0, 200)), [0; 0]);
    }

    #[test]
    fn counts_are_short() {
        assert_eq!(short(64), "64");
        assert_eq!(short(10_000), "10 k");
        assert_eq!(short(2_000_000), "2 M");
        assert_eq!(short(1500), "1500");
        assert_eq!(short(usize::MAX), "none");
    }
}
