//! Statistics of many samples: median, spread, and a ratio with its confidence interval.

/// How often the samples are resampled for one interval.
const RESAMPLES: usize = 2000;
/// The part of the drawn ratios on each side of an interval: 95 % are inside.
const TAIL: f64 = 0.025;
/// Fewer samples than this give no interval.
pub(crate) const MIN_SAMPLES: usize = 5;
/// Any seed will do; the same seed gives the same interval for the same samples.
const SEED: u64 = 0x5eed_0f5e_ed0f_5eed;

/// Figures of one measure, summed up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) least: f64,
    /// A quarter of the figures is below.
    pub(crate) lower: f64,
    pub(crate) median: f64,
    /// A quarter of the figures is above.
    pub(crate) upper: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// `None` if there is no figure.
    pub(crate) fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            count: sorted.len(),
            least: *sorted.first()?,
            lower: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            upper: quantile(&sorted, 0.75),
            most: *sorted.last()?,
        })
    }

    /// The distance of the quartiles, as a part of the median.
    pub(crate) fn relative(&self) -> f64 {
        (self.upper - self.lower) / self.median
    }
}

/// The figure with `share` of the sorted ones below it, interpolated between two figures.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index into thousands of figures at most, never negative"
)]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    below + (above - below) * place.fract()
}

/// The median of some figures, divided by the median of others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) value: f64,
    /// Holds the true ratio with a chance of 95 %; `None` if there are too few samples.
    pub(crate) interval: Option<(f64, f64)>,
}

/// What an interval says about a ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// All of it is below one.
    Below,
    /// One is inside, or there is no interval.
    Unclear,
    /// All of it is above one.
    Above,
}

impl Ratio {
    /// `None` without figures, or if the divisor is zero.
    pub(crate) fn of(figures: &[f64], reference: &[f64]) -> Option<Self> {
        let value = divide(median(figures)?, median(reference)?)?;
        let has_interval = figures.len().min(reference.len()) >= MIN_SAMPLES;
        let interval = has_interval.then(|| {
            let mut random = fastrand::Rng::with_seed(SEED);
            let mut draw = || {
                Some((
                    redrawn(&mut random, figures)?,
                    redrawn(&mut random, reference)?,
                ))
            };
            interval(|| draw().and_then(|(a, b)| divide(a, b)))
        });
        Some(Self {
            value,
            interval: interval.flatten(),
        })
    }

    /// One, without an interval: figures do not differ from themselves by chance.
    pub(crate) fn of_itself(figures: &[f64]) -> Option<Self> {
        let middle = median(figures)?;
        Some(Self {
            value: divide(middle, middle)?,
            interval: None,
        })
    }

    /// The ratio of two ratios: each of the four sets of samples is resampled separately.
    pub(crate) fn of_ratios(new: [&[f64]; 2], old: [&[f64]; 2]) -> Option<Self> {
        let sets = [new[0], new[1], old[0], old[1]];
        let combine = |[a, b, c, d]: [f64; 4]| divide(divide(a, b)?, divide(c, d)?);
        let medians = sets.map(median);
        let value = combine(all(medians)?)?;
        let has_interval = sets.iter().all(|set| set.len() >= MIN_SAMPLES);
        let interval = has_interval.then(|| {
            let mut random = fastrand::Rng::with_seed(SEED);
            interval(|| all(sets.map(|set| redrawn(&mut random, set))).and_then(combine))
        });
        Some(Self {
            value,
            interval: interval.flatten(),
        })
    }

    pub(crate) fn side(&self) -> Side {
        match self.interval {
            Some((_, high)) if high < 1.0 => Side::Below,
            Some((low, _)) if low > 1.0 => Side::Above,
            _ => Side::Unclear,
        }
    }
}

/// The middle 95 % of the results of repeated draws.
fn interval(mut draw: impl FnMut() -> Option<f64>) -> Option<(f64, f64)> {
    let mut drawn: Vec<f64> = (0..RESAMPLES).filter_map(|_| draw()).collect();
    if drawn.is_empty() {
        return None;
    }
    drawn.sort_by(f64::total_cmp);
    Some((quantile(&drawn, TAIL), quantile(&drawn, 1.0 - TAIL)))
}

fn all(figures: [Option<f64>; 4]) -> Option<[f64; 4]> {
    let [a, b, c, d] = figures;
    Some([a?, b?, c?, d?])
}

/// Zero equals zero, and cannot be compared with anything else by a ratio.
fn divide(figure: f64, by: f64) -> Option<f64> {
    if figure == 0.0 && by == 0.0 {
        return Some(1.0);
    }
    (figure > 0.0 && by > 0.0).then(|| figure / by)
}

pub(crate) fn median(figures: &[f64]) -> Option<f64> {
    Some(Spread::of(figures)?.median)
}

/// The median of a resample: as many figures, each drawn from all of them.
fn redrawn(random: &mut fastrand::Rng, figures: &[f64]) -> Option<f64> {
    let mut drawn = Vec::with_capacity(figures.len());
    for _ in figures {
        drawn.push(*random.choice(figures)?);
    }
    drawn.sort_by(f64::total_cmp);
    Some(quantile(&drawn, 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` figures around `middle`, evenly up to a twentieth to each side.
    fn around(middle: f64, count: u32) -> Vec<f64> {
        let step = |index: u32| f64::from(index) / f64::from(count - 1) - 0.5;
        (0..count)
            .map(|index| middle * (1.0 + 0.1 * step(index)))
            .collect()
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 9.0, 2.0]), Some(3.0));
    }

    #[test]
    fn quartiles_have_a_quarter_outside() {
        let spread = Spread::of(&[5.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        assert_eq!((spread.lower, spread.upper), (2.0, 4.0));
        assert_eq!((spread.least, spread.most, spread.count), (1.0, 5.0, 5));
        assert!((spread.relative() - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn an_interval_is_around_its_ratio_and_the_same_each_time() {
        let (slow, fast) = (around(200.0, 15), around(100.0, 15));
        let ratio = Ratio::of(&slow, &fast).unwrap();
        let (low, high) = ratio.interval.unwrap();
        assert!((ratio.value - 2.0).abs() < 1e-9);
        assert!(
            1.8 < low && low < 2.0 && 2.0 < high && high < 2.2,
            "{low} {high}"
        );
        assert_eq!(ratio.side(), Side::Above);
        assert_eq!(Ratio::of(&fast, &slow).unwrap().side(), Side::Below);
        assert_eq!(Ratio::of(&slow, &fast), Some(ratio));
    }

    #[test]
    fn equal_samples_are_on_no_side() {
        let figures = around(100.0, 15);
        let ratio = Ratio::of(&figures, &figures).unwrap();
        assert_eq!(ratio.side(), Side::Unclear);
    }

    #[test]
    fn too_few_samples_have_a_ratio_and_no_interval() {
        let ratio = Ratio::of(&around(300.0, 4), &around(100.0, 15)).unwrap();
        assert!((ratio.value - 3.0).abs() < 1e-9);
        assert_eq!(ratio.interval, None);
        assert_eq!(ratio.side(), Side::Unclear);
    }

    #[test]
    fn nothing_is_as_much_as_nothing_alone() {
        assert_eq!(Ratio::of(&[0.0], &[0.0]).unwrap().value, 1.0);
        assert_eq!(Ratio::of(&[1.0], &[0.0]), None);
        assert_eq!(Ratio::of(&[1.0], &[]), None);
    }

    #[test]
    fn a_machine_twice_as_fast_changes_no_ratio_of_ratios() {
        let (ours, peer) = (around(300.0, 15), around(100.0, 15));
        let (ours_there, peer_there) = (around(150.0, 15), around(50.0, 15));
        let ratio = Ratio::of_ratios([&ours_there, &peer_there], [&ours, &peer]).unwrap();
        assert!((ratio.value - 1.0).abs() < 1e-9);
        assert_eq!(ratio.side(), Side::Unclear);
    }
}
