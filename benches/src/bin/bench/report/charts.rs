//! The charts with a row for each contestant or workload.

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::super::record::{Kind, Unit};
use super::super::statistics::{Ratio, Side};
use super::super::summary::{Duel, Row, Standing};
use super::super::words;
use super::axis::Axis;
use super::ink;

/// The width of every chart, in its own units: on a phone its text is still legible, on a desk two
/// are side by side.
pub(super) const WIDTH: u32 = 542;
const FONT: &str = "sans-serif";
/// The library draws letters at four fifths of this height.
const TEXT_SIZE: i32 = 16;
pub(super) const SMALL: i32 = 14;
/// The height of a bar's row.
const ROW: u32 = 26;
/// Room for the names, and for figure and ratio.
const NAMES: i32 = 188;
const VALUES: i32 = 134;
/// Room for an axis' marks.
pub(super) const MARKS: u32 = 30;
/// The same, in the headline: workloads, and verdicts.
const WORKLOADS: i32 = 152;
const VERDICTS: i32 = 166;
/// The height of a row with two lines of text.
const DUEL: u32 = 34;

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Draws into an SVG of this height.
pub(super) fn svg(height: u32, draw: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<String> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
    draw(&area)?;
    area.present()?;
    drop(area);
    Ok(text)
}

/// A text at a pixel.
pub(super) struct Words<'a> {
    pub(super) text: &'a str,
    pub(super) at: (i32, i32),
    pub(super) to: HPos,
    pub(super) size: i32,
    pub(super) color: RGBColor,
    pub(super) is_bold: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a str, at: (i32, i32), to: HPos) -> Self {
        Self {
            text,
            at,
            to,
            size: TEXT_SIZE,
            color: ink::TEXT,
            is_bold: false,
        }
    }

    pub(super) fn muted(self) -> Self {
        Self {
            size: SMALL,
            color: ink::MUTED,
            ..self
        }
    }

    pub(super) fn bold(self, is_bold: bool) -> Self {
        Self { is_bold, ..self }
    }

    pub(super) fn color(self, color: RGBColor) -> Self {
        Self { color, ..self }
    }

    pub(super) fn draw(self, area: &Area<'_>) -> Result<()> {
        let style = if self.is_bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let font = (FONT, self.size)
            .into_font()
            .style(style)
            .color(&self.color);
        let font = font.pos(Pos::new(self.to, VPos::Center));
        area.draw_text(self.text, &font, self.at)?;
        Ok(())
    }
}

/// The height of `bars`.
pub(super) fn height(standing: &Standing<'_>) -> Result<u32> {
    Ok(u32::try_from(standing.rows.len())? * ROW + MARKS + 12)
}

/// Bars, or dots on lines if the figures are far apart; the middle half of the samples as a
/// whisker, figure and ratio at the end.
pub(super) fn bars(standing: &Standing<'_>) -> Result<String> {
    let rows = &standing.rows;
    let count = u32::try_from(rows.len())?;
    let ends = rows
        .iter()
        .flat_map(|row| [row.spread.lower, row.spread.median, row.spread.upper]);
    // A floor's bar may be too small to see: it is there to be below the others.
    let least = standing
        .best(|kind| kind != Kind::Floor)
        .map_or(0.0, |row| row.spread.median);
    let axis = Axis::for_bars(&ends.collect::<Vec<_>>(), least);
    svg(height(standing)?, |area| {
        let low = axis.start();
        let y = -0.5..f64::from(count) - 0.5;
        let mut chart = ChartBuilder::on(area)
            .margin_left(NAMES)
            .margin_right(VALUES)
            .margin_top(6)
            .margin_bottom(6)
            .x_label_area_size(MARKS)
            .build_cartesian_2d(axis.clone(), y)?;
        let unit = standing.measure.unit;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .bold_line_style(ink::GRID)
            .axis_style(ink::AXIS)
            .x_label_style((FONT, SMALL).into_font().color(&ink::MUTED))
            .x_label_formatter(&|&figure| mark(figure, unit))
            .draw()?;
        for (row, index) in rows.iter().zip((0..count).rev()) {
            let y = f64::from(index);
            let at = |figure, dy| (figure, y + dy);
            let color = ink::of(row.contestant);
            let spread = row.spread;
            if axis.is_logarithmic {
                let guide = PathElement::new(
                    [(low, y), at(spread.median, 0.0)],
                    ink::GRID.stroke_width(2),
                );
                chart.draw_series([guide])?;
                chart.draw_series([Circle::new(at(spread.median, 0.0), 6, color.filled())])?;
            } else {
                let bar =
                    Rectangle::new([(low, y - 0.34), at(spread.median, 0.34)], color.filled());
                chart.draw_series([bar])?;
            }
            let whisker = PathElement::new(
                [at(spread.lower, 0.0), at(spread.upper, 0.0)],
                ink::TEXT.stroke_width(2),
            );
            chart.draw_series([whisker])?;
            let (_, y) = chart.backend_coord(&(low, y));
            label(area, row, unit, y)?;
        }
        Ok(())
    })
}

/// The name before a bar, and its figure after it.
fn label(area: &Area<'_>, row: &Row<'_>, unit: Unit, y: i32) -> Result<()> {
    let contestant = row.contestant;
    let is_ours = super::is_ours(contestant);
    let mark = if contestant.is_bounded { "" } else { " *" };
    let name = format!("{}{mark}", shortened(&contestant.name));
    let color = if is_ours { ink::OURS } else { ink::TEXT };
    Words::new(&name, (NAMES - 8, y), HPos::Right)
        .color(color)
        .bold(is_ours)
        .draw(area)?;
    let edge = i32::try_from(WIDTH)?;
    let figure = words::figure(row.spread.median, unit);
    Words::new(&figure, (edge - 66, y), HPos::Right)
        .bold(is_ours)
        .draw(area)?;
    if let Some(ratio) = row.ratio {
        let ratio = format!("{}×", words::ratio(ratio));
        Words::new(&ratio, (edge - 4, y), HPos::Right)
            .color(ink::MUTED)
            .draw(area)?;
    }
    Ok(())
}

/// A name shortened to fit before its bar.
pub(super) fn shortened(name: &str) -> String {
    const LONGEST: usize = 21;
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    let start: String = name.chars().take(LONGEST - 1).collect();
    format!("{start}…")
}

/// A figure on an axis, without meaningless digits.
pub(super) fn mark(figure: f64, unit: Unit) -> String {
    let text = words::figure(figure, unit);
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    format!("{number} {unit}").trim_end().to_owned()
}

/// A line of the headline: a workload's name, and its comparison.
pub(super) type DuelOf<'a> = (&'a str, Duel<'a>, Unit);

/// For each workload, the best of ours against the best peer, on a logarithmic scale: better to the
/// left of the middle, worse to the right.
pub(super) fn duels(duels: &[DuelOf<'_>]) -> Result<String> {
    let count = u32::try_from(duels.len())?;
    let reached: Vec<f64> = duels
        .iter()
        .flat_map(|(_, duel, _)| reach(duel.ratio))
        .collect();
    let low = reached.iter().copied().fold(0.5, f64::min);
    let high = reached.iter().copied().fold(2.0, f64::max);
    let axis = Axis::marked(&[low, high], marks_around_one(low, high));
    svg(count * DUEL + MARKS + 34, |area| {
        let low = axis.start();
        let mut chart = ChartBuilder::on(area)
            .margin_left(WORKLOADS)
            .margin_right(VERDICTS)
            .margin_top(28)
            .margin_bottom(6)
            .x_label_area_size(MARKS)
            .build_cartesian_2d(axis.clone(), -0.5..f64::from(count) - 0.5)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .bold_line_style(ink::GRID)
            .axis_style(ink::GRID)
            .x_label_style((FONT, SMALL).into_font().color(&ink::MUTED))
            .x_label_formatter(&|&ratio| times(ratio))
            .draw()?;
        for (line, index) in duels.iter().zip((0..count).rev()) {
            let y = f64::from(index);
            let ratio = line.1.ratio;
            let color = color_of(ratio);
            let at = |figure, dy| (figure, y + dy);
            chart.draw_series([Rectangle::new(
                [at(1.0, -0.25), at(ratio.value, 0.25)],
                color.filled(),
            )])?;
            if let Some((from, to)) = ratio.interval {
                chart.draw_series([PathElement::new(
                    [at(from, 0.0), at(to, 0.0)],
                    ink::TEXT.stroke_width(2),
                )])?;
            }
            let (_, y) = chart.backend_coord(&(low, y));
            duel_label(area, line, y)?;
        }
        let one = [(1.0, -0.5), (1.0, f64::from(count) - 0.5)];
        chart.draw_series([PathElement::new(one, ink::MUTED.stroke_width(2))])?;
        let (middle, _) = chart.backend_coord(&one[0]);
        Words::new("← better than the best peer", (middle - 8, 14), HPos::Right)
            .muted()
            .color(ink::WIN)
            .draw(area)?;
        Words::new("worse →", (middle + 8, 14), HPos::Left)
            .muted()
            .color(ink::LOSS)
            .draw(area)
    })
}

fn duel_label(area: &Area<'_>, (workload, duel, unit): &DuelOf<'_>, y: i32) -> Result<()> {
    let at = |dy| (WORKLOADS - 10, y + dy);
    let who = shortened(&duel.ours.contestant.name);
    let whom = format!("to {}", shortened(&duel.peer.contestant.name));
    Words::new(&shortened(workload), at(-7), HPos::Right)
        .bold(true)
        .draw(area)?;
    Words::new(&who, at(8), HPos::Right).muted().draw(area)?;
    let edge = i32::try_from(WIDTH)? - 4;
    let verdict = words::verdict(duel.ratio, *unit);
    let color = color_of(duel.ratio);
    Words::new(&verdict, (edge, y - 7), HPos::Right)
        .bold(true)
        .color(color)
        .draw(area)?;
    Words::new(&whom, (edge, y + 8), HPos::Right)
        .muted()
        .draw(area)
}

fn color_of(ratio: Ratio) -> RGBColor {
    match ratio.side() {
        Side::Below => ink::WIN,
        Side::Unclear => ink::LEVEL,
        Side::Above => ink::LOSS,
    }
}

/// A ratio and the ends of its interval.
fn reach(ratio: Ratio) -> [f64; 3] {
    let (low, high) = ratio.interval.unwrap_or((ratio.value, ratio.value));
    [ratio.value, low, high]
}

/// Powers of two if they are few, otherwise of ten.
fn marks_around_one(low: f64, high: f64) -> Vec<f64> {
    let base: f64 = if high / low <= 70.0 { 2.0 } else { 10.0 };
    let powers = (-6..=6).map(|power| base.powi(power));
    powers
        .filter(|&it| low * 0.99 <= it && it <= high * 1.01)
        .collect()
}

/// A ratio on an axis: `1/4×`, `1×`, `4×`.
fn times(ratio: f64) -> String {
    if ratio < 0.99 {
        format!("1/{:.0}×", 1.0 / ratio)
    } else {
        format!("{ratio:.0}×")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_has_no_digits_that_say_nothing() {
        assert_eq!(mark(50.0, Unit::Nanoseconds), "50 ns");
        assert_eq!(mark(2500.0, Unit::Nanoseconds), "2.5 µs");
        assert_eq!(mark(100.0, Unit::Bytes), "100 B");
        assert_eq!(mark(0.5, Unit::Ratio), "0.5");
    }

    #[test]
    fn marks_are_few_on_both_sides_of_one() {
        assert_eq!(marks_around_one(0.25, 4.0), [0.25, 0.5, 1.0, 2.0, 4.0]);
        assert_eq!(marks_around_one(0.1, 50.0), [0.1, 1.0, 10.0]);
        assert_eq!(
            marks_around_one(0.25, 4.0).map_text(),
            ["1/4×", "1/2×", "1×", "2×", "4×"]
        );
    }

    trait MapText {
        fn map_text(self) -> Vec<String>;
    }

    impl MapText for Vec<f64> {
        fn map_text(self) -> Vec<String> {
            self.into_iter().map(times).collect()
        }
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(shortened("channel"), "channel");
        let cut = shortened("peer-scheduled-thread-pool");
        assert_eq!(cut.chars().count(), 21);
        assert!(cut.ends_with('…'), "{cut}");
    }
}
