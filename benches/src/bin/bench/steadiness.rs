//! Whether the machine stays the same during a run: what moving a cache line between two cores
//! costs, before and after each sample.
//!
//! On a virtual machine the cores move: at times they share a cache, at times they lie on different
//! chips, and a line takes five times as long. A run lasts longer than either state, so each
//! contestant would get its own mixture of the two. A sample counts as steady if the price, before
//! and after it, is one of the run's low prices. If it is not, the run waits and repeats the
//! sample. It waits at most as long in all as the samples themselves have taken. After that it goes
//! on regardless, and the record says how many samples were not steady.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use benches::Sample;

use crate::child;

/// Hand-overs of a line that make a price: a millisecond.
const HAND_OVERS: &str = "20000";
/// The longest that measuring a price may take; a busy machine takes longer, and is not steady.
const LIMIT: Duration = Duration::from_secs(1);
/// The part of the prices that lies below the reference price, so that a single lucky look does not
/// move it.
const LOW: f64 = 0.1;
/// Prices that differ from the reference by more than this factor mean another state of the
/// machine.
const TOLERANCE: f64 = 1.6;
/// Measurements for one price, of which the least counts: a thread that was preempted does not mean
/// another state of the machine.
const LOOKS: usize = 3;
/// Between two looks at a machine that is not steady.
const PAUSE: Duration = Duration::from_millis(250);
/// Prices taken before the first sample.
const FIRST_PRICES: usize = 12;
/// How long a run may wait before it has taken a sample.
const ADVANCE: Duration = Duration::from_secs(60);

/// Watches the machine under one run.
#[derive(Debug)]
pub(crate) struct Steadiness {
    program: PathBuf,
    /// Every price so far, in nanoseconds, in order of size.
    prices: Vec<f64>,
    /// Whether the last price was one of the low ones.
    is_steady: bool,
    waited: Duration,
    began: Instant,
    unsteady: usize,
}

impl Steadiness {
    /// Begins to watch. `None` without two cores.
    pub(crate) fn begin(program: &Path) -> Option<Self> {
        if thread::available_parallelism().map_or(1, std::num::NonZero::get) < 2 {
            return None;
        }
        let mut this = Self {
            program: program.to_owned(),
            prices: Vec::new(),
            is_steady: false,
            waited: Duration::ZERO,
            began: Instant::now(),
            unsteady: 0,
        };
        for _ in 0..FIRST_PRICES {
            this.look();
            thread::sleep(PAUSE);
        }
        Some(this)
    }

    /// Takes a sample on a steady machine, if possible.
    pub(crate) fn take<R>(&mut self, mut sample: impl FnMut() -> R) -> R {
        loop {
            self.wait();
            let began = Instant::now();
            let taken = sample();
            self.look();
            if self.is_steady {
                return taken;
            }
            if !self.may_wait() {
                self.unsteady += 1;
                return taken;
            }
            self.waited += began.elapsed();
        }
    }

    /// What the record says: the reference price, and how many samples were taken at another.
    pub(crate) fn told(&self) -> (Option<f64>, usize) {
        (self.low(), self.unsteady)
    }

    fn wait(&mut self) {
        let began = Instant::now();
        while !self.is_steady && self.may_wait_after(began.elapsed()) {
            thread::sleep(PAUSE);
            self.look();
        }
        self.waited += began.elapsed();
    }

    fn may_wait(&self) -> bool {
        self.may_wait_after(Duration::ZERO)
    }

    fn may_wait_after(&self, more: Duration) -> bool {
        let waited = self.waited + more;
        let sampled = self.began.elapsed().saturating_sub(waited);
        waited < sampled + ADVANCE
    }

    fn look(&mut self) {
        let price = self.least_of_looks();
        if let Some(price) = price {
            let place = self.prices.partition_point(|other| *other < price);
            self.prices.insert(place, price);
        }
        self.is_steady = price.is_some_and(|price| self.is_low(price));
    }

    fn least_of_looks(&self) -> Option<f64> {
        let mut least: Option<f64> = None;
        for _ in 0..LOOKS {
            let price = self.price();
            least = price.into_iter().chain(least).reduce(f64::min);
            if least.is_some_and(|price| self.is_low(price)) {
                break;
            }
        }
        least
    }

    fn is_low(&self, price: f64) -> bool {
        self.low()
            .is_some_and(|low| (low / TOLERANCE..=low * TOLERANCE).contains(&price))
    }

    fn low(&self) -> Option<f64> {
        let place = (self.prices.len() as f64 * LOW) as usize;
        self.prices.get(place).copied()
    }

    fn price(&self) -> Option<f64> {
        let mut command = Command::new(&self.program);
        let command = command.args(["floor-cache-line", "floor", HAND_OVERS, "2"]);
        let printed = child::output(command, LIMIT).ok()?;
        let sample: Sample = serde_json::from_str(printed.trim()).ok()?;
        sample.measures.get("time-per-job").copied()
    }
}
