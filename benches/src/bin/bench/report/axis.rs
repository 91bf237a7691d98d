//! `Axis`: where a figure lies on a chart, on a linear or logarithmic scale, and where the marks
//! are.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Figures that differ by more than this are shown on a logarithmic scale.
const LINEAR_UP_TO: f64 = 16.0;
/// The most marks of an axis.
const MARKS: usize = 6;
/// The most marks on a logarithmic scale below bars, which have little room.
const MARKS_BELOW_BARS: usize = 4;

/// One axis, as the chart library asks for it.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) is_logarithmic: bool,
    low: f64,
    high: f64,
    marks: Vec<f64>,
}

impl Axis {
    /// For bars: from zero, as long as the `least` that must be visible is not lost next to the
    /// most.
    pub(super) fn for_bars(figures: &[f64], least: f64) -> Self {
        let (_, most) = ends(figures);
        if most <= least * LINEAR_UP_TO {
            Self::linear(most)
        } else {
            let axis = Self::logarithmic(figures);
            let marks = logarithmic_marks(axis.low, axis.high, MARKS_BELOW_BARS);
            Self { marks, ..axis }
        }
    }

    /// From zero to a little more than `most`.
    fn linear(most: f64) -> Self {
        let step = round_step(most / 4.0);
        let marks = (0..=MARKS).map(|number| step * number_of(number));
        Self {
            is_logarithmic: false,
            low: 0.0,
            high: most * 1.04,
            marks: marks.filter(|&mark| mark <= most * 1.04).collect(),
        }
    }

    /// On a logarithmic scale, with a little room on both sides.
    pub(super) fn logarithmic(figures: &[f64]) -> Self {
        let (least, most) = ends(figures);
        let room = ((most / least).log10() * 0.06).max(0.03);
        let (low, high) = (least.log10() - room, most.log10() + room);
        Self {
            is_logarithmic: true,
            low,
            high,
            marks: logarithmic_marks(low, high, MARKS),
        }
    }

    /// On a logarithmic scale, with the marks that `marks` gives.
    pub(super) fn marked(figures: &[f64], marks: Vec<f64>) -> Self {
        Self {
            marks,
            ..Self::logarithmic(figures)
        }
    }

    /// The figure where the axis begins.
    pub(super) fn start(&self) -> f64 {
        if self.is_logarithmic {
            10_f64.powf(self.low)
        } else {
            self.low
        }
    }

    /// How far along the axis a figure lies: from 0 to 1, never outside.
    fn share(&self, figure: f64) -> f64 {
        let place = if self.is_logarithmic {
            figure.max(f64::MIN_POSITIVE).log10()
        } else {
            figure
        };
        ((place - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "a pixel of the chart")]
    fn map(&self, figure: &f64, (from, to): (i32, i32)) -> i32 {
        from + (self.share(*figure) * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Every mark has its line; there are no lighter lines between them.
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.marks.clone()
        }
    }

    fn range(&self) -> Range<f64> {
        let end = if self.is_logarithmic {
            10_f64.powf(self.high)
        } else {
            self.high
        };
        self.start()..end
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(figure: &f64) -> String {
        figure.to_string()
    }
}

/// The least and the most of the figures above zero.
fn ends(figures: &[f64]) -> (f64, f64) {
    let above = || figures.iter().copied().filter(|&it| it > 0.0);
    let least = above().fold(f64::INFINITY, f64::min);
    let most = above().fold(0.0, f64::max);
    if least.is_finite() {
        (least, most)
    } else {
        (1.0, 1.0)
    }
}

/// The next of one, two, five or ten, times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let leads = [1.0, 2.0, 5.0, 10.0];
    let lead = leads.into_iter().find(|lead| lead * power >= step);
    lead.unwrap_or(10.0) * power
}

#[expect(clippy::cast_precision_loss, reason = "a handful of marks")]
fn number_of(index: usize) -> f64 {
    index as f64
}

/// Round figures inside the range, as many as fit: powers of ten with two and five between them,
/// with three, alone, or every other one.
fn logarithmic_marks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let leads: [(&[f64], usize); 4] = [
        (&[1.0, 2.0, 5.0], 1),
        (&[1.0, 3.0], 1),
        (&[1.0], 1),
        (&[1.0], 2),
    ];
    let mut marks = Vec::new();
    for (leads, stride) in leads {
        let powers = powers(low, high).into_iter().step_by(stride);
        marks = powers
            .flat_map(|power| leads.iter().map(move |lead| lead * 10_f64.powi(power)))
            .filter(|mark| (low..=high).contains(&mark.log10()))
            .collect();
        if marks.len() <= most {
            break;
        }
    }
    marks
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "powers of ten of figures that are far inside"
)]
fn powers(low: f64, high: f64) -> Vec<i32> {
    (low.floor() as i32..=high.ceil() as i32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_one_size_are_shown_from_nothing() {
        let axis = Axis::for_bars(&[50.0, 200.0], 50.0);
        assert!(!axis.is_logarithmic);
        assert_eq!(axis.start(), 0.0);
        assert_eq!(axis.map(&100.0, (0, 208)), 100);
        assert_eq!(axis.marks, [0.0, 50.0, 100.0, 150.0, 200.0]);
    }

    #[test]
    fn figures_far_apart_are_shown_in_ratios() {
        let axis = Axis::for_bars(&[10.0, 1000.0], 10.0);
        assert!(axis.is_logarithmic);
        assert_eq!(axis.marks, [10.0, 100.0, 1000.0]);
        let pixel = |figure| axis.map(&figure, (0, 1000));
        assert!(0 < pixel(10.0) && pixel(1000.0) < 1000);
        assert_eq!(pixel(100.0), 500);
    }

    #[test]
    fn marks_are_few_over_any_range() {
        for most in [1.5, 20.0, 3e3, 1e6, 1e12] {
            let marks = Axis::logarithmic(&[1.0, most]).marks.len();
            assert!((1..=MARKS + 1).contains(&marks), "{marks} up to {most}");
        }
    }

    #[test]
    fn nothing_has_a_place_all_the_same() {
        let axis = Axis::logarithmic(&[0.0, 10.0, 100.0]);
        assert_eq!(axis.map(&0.0, (7, 100)), 7);
        assert!(Axis::for_bars(&[], 0.0).range().end.is_finite());
    }
}
