//! Whether the machine stalled during a sample; if so, the sample is taken again.
//!
//! Two signs are looked at. The host of a virtual machine says how much time it gave to others
//! instead (steal time): that is exact, but not every host says it. And a loop of a fixed length,
//! run after each sample, takes much longer than usual if other work has the cores. A sample is
//! taken again a few times at most, and the record says how often, and how many stayed stalled.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use super::statistics::median;

/// The part of all cores' time that may be stolen during a sample.
const STOLEN: f64 = 0.03;
/// A loop that takes this many times its median was disturbed.
const SLOW: f64 = 1.5;
/// Steps of the loop: a fraction of a millisecond.
const STEPS: u32 = 200_000;
/// Loops before the first sample.
const FIRST_LOOPS: usize = 15;
/// How often a sample is taken again.
const RETAKES: usize = 3;

/// Watches for stalls under one run.
#[derive(Debug)]
pub(crate) struct Stalls {
    /// What each loop took so far, in seconds.
    loops: Vec<f64>,
    told: Told,
}

/// What the record says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// How often a sample was taken again.
    pub(crate) retaken: usize,
    /// How many samples count although the machine stalled each time.
    pub(crate) stalled: usize,
}

/// The time of all cores, in the system's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    all: u64,
    stolen: u64,
}

impl Stalls {
    /// Begins to watch.
    pub(crate) fn begin() -> Self {
        Self {
            loops: (0..FIRST_LOOPS).map(|_| loop_once()).collect(),
            told: Told::default(),
        }
    }

    /// Takes a sample, again if the machine stalled. One that failed is not taken again.
    pub(crate) fn take<T, E>(&mut self, mut sample: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        self.take_with(|this| {
            let before = Ticks::now();
            let taken = sample();
            let stolen = before
                .zip(Ticks::now())
                .is_some_and(|(before, after)| after.stolen_since(before) > STOLEN);
            let is_slow = this.is_slow(loop_once());
            (taken, stolen || is_slow)
        })
    }

    /// `watched` takes a sample, and says whether the machine stalled meanwhile.
    fn take_with<T, E>(
        &mut self,
        mut watched: impl FnMut(&mut Self) -> (Result<T, E>, bool),
    ) -> Result<T, E> {
        for _ in 0..RETAKES {
            let (taken, is_stalled) = watched(self);
            if taken.is_err() || !is_stalled {
                return taken;
            }
            self.told.retaken += 1;
        }
        let (taken, is_stalled) = watched(self);
        self.told.stalled += usize::from(taken.is_ok() && is_stalled);
        taken
    }

    pub(crate) fn told(&self) -> Told {
        self.told
    }

    fn is_slow(&mut self, seconds: f64) -> bool {
        let is_slow = median(&self.loops).is_some_and(|usual| seconds > usual * SLOW);
        self.loops.push(seconds);
        is_slow
    }
}

impl Ticks {
    /// `None` if the system does not say.
    fn now() -> Option<Self> {
        Self::of(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line is that of all cores: user, nice, system, idle, waiting, two kinds of
    /// interrupts, stolen. What follows is contained in these.
    fn of(text: &str) -> Option<Self> {
        let fields = text.lines().next()?.strip_prefix("cpu ")?;
        let fields = fields.split_whitespace().take(8).map(str::parse);
        let fields: Vec<u64> = fields.collect::<Result<_, _>>().ok()?;
        Some(Self {
            all: fields.iter().sum(),
            stolen: *fields.get(7)?,
        })
    }

    /// The part of the time since then that was stolen.
    #[expect(clippy::cast_precision_loss, reason = "ticks of minutes at most")]
    fn stolen_since(self, before: Self) -> f64 {
        let since = |after: u64, before: u64| after.saturating_sub(before) as f64;
        let all = since(self.all, before.all);
        if all == 0.0 {
            return 0.0;
        }
        since(self.stolen, before.stolen) / all
    }
}

/// How long steps that each wait for the one before take, in seconds.
fn loop_once() -> f64 {
    let start = Instant::now();
    let mut number = 1_u64;
    for _ in 0..STEPS {
        number = black_box(number.wrapping_mul(0x5851_F42D_4C95_7F2D));
    }
    black_box(number);
    start.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a sample while the machine stalls, or does not, as listed; the number of the sample
    /// that counts.
    fn taken(stalls: &mut Stalls, is_stalled: &[bool]) -> Result<usize, usize> {
        let mut number = 0;
        stalls.take_with(|_| {
            number += 1;
            (Ok(number), is_stalled[number - 1])
        })
    }

    #[test]
    fn a_sample_is_taken_again_until_the_machine_does_not_stall() {
        let mut stalls = Stalls::begin();
        assert_eq!(taken(&mut stalls, &[false]), Ok(1));
        assert_eq!(stalls.told(), Told::default());
        assert_eq!(taken(&mut stalls, &[true, true, false]), Ok(3));
        let told = Told {
            retaken: 2,
            stalled: 0,
        };
        assert_eq!(stalls.told(), told);
    }

    #[test]
    fn the_last_one_counts_if_the_machine_stalls_each_time() {
        let mut stalls = Stalls::begin();
        assert_eq!(taken(&mut stalls, &[true; RETAKES + 1]), Ok(RETAKES + 1));
        let told = Told {
            retaken: RETAKES,
            stalled: 1,
        };
        assert_eq!(stalls.told(), told);
    }

    #[test]
    fn a_failure_is_not_tried_again() {
        let mut tries = 0;
        let failed: Result<(), ()> = Stalls::begin().take_with(|_| {
            tries += 1;
            (Err(()), true)
        });
        assert_eq!((failed, tries), (Err(()), 1));
    }

    #[test]
    fn a_loop_is_slow_next_to_its_median() {
        let mut stalls = Stalls {
            loops: vec![1.0, 1.1, 0.9],
            told: Told::default(),
        };
        assert!(!stalls.is_slow(1.4));
        assert!(stalls.is_slow(1.7));
        assert_eq!(stalls.loops.len(), 5);
    }

    #[test]
    fn stolen_time_is_a_part_of_all_cores_time() {
        let before = Ticks::of("cpu  100 0 50 800 10 0 0 5 7 0\ncpu0 1 2 3\n").unwrap();
        let after = Ticks::of("cpu  150 0 60 830 10 0 0 15 9 0\ncpu0 1 2 3\n").unwrap();
        assert_eq!(
            before,
            Ticks {
                all: 965,
                stolen: 5
            }
        );
        assert_eq!(after.stolen_since(before), 0.1);
        assert_eq!(before.stolen_since(before), 0.0);
        assert_eq!(Ticks::of("intr 1 2 3\n"), None);
        assert_eq!(Ticks::of("cpu  1 2 3\n"), None);
    }
}
