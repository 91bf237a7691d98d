//! Work of a given length, and lengths and gaps drawn from a seed.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

/// Keeps a core busy for `length`, by the clock.
///
/// By the clock and not by a calibrated count: a core that changes its frequency would change the
/// work. The price is that preempted time counts as work, the same for every contestant.
pub(super) fn spin(length: Duration) {
    spin_until(Instant::now() + length);
}

/// Keeps a core busy until `moment`.
pub(super) fn spin_until(moment: Instant) {
    while Instant::now() < moment {
        spin_loop();
    }
}

/// Numbers that look random and are the same in every run: SplitMix64.
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn seeded() -> Self {
        Self(0x5EED)
    }

    /// At least 0 and less than 1, evenly.
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits are taken, which is what fits"
    )]
    pub(super) fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The gap to the next of independent arrivals: exponential, `mean` on average.
    pub(super) fn gap(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.fraction()).ln())
    }

    /// A length with a heavy tail: Pareto with the index `alpha`, from `least` to `most`.
    pub(super) fn heavy(&mut self, alpha: f64, least: Duration, most: Duration) -> Duration {
        let times = (1.0 - self.fraction()).powf(-1.0 / alpha);
        least
            .mul_f64(times.min(most.as_secs_f64() / least.as_secs_f64()))
            .min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_have_the_mean_that_was_asked_for_and_come_again() {
        let mean = Duration::from_micros(10);
        let draw = || {
            let mut draws = Draws::seeded();
            (0..100_000).map(|_| draws.gap(mean)).sum::<Duration>()
        };
        let per_gap = draw() / 100_000;
        assert!(per_gap > mean.mul_f64(0.98) && per_gap < mean.mul_f64(1.02));
        assert_eq!(draw(), draw());
    }

    #[test]
    fn heavy_lengths_stay_within_their_bounds_and_reach_both() {
        let (least, most) = (Duration::from_micros(5), Duration::from_millis(5));
        let mut draws = Draws::seeded();
        let lengths: Vec<_> = (0..100_000)
            .map(|_| draws.heavy(1.1, least, most))
            .collect();
        assert!(lengths.iter().all(|it| (least..=most).contains(it)));
        assert!(lengths.contains(&most));
        assert!(lengths.iter().filter(|it| **it < least * 2).count() > 50_000);
    }
}
