//! Whether the machine stays the same under a run: what a cache line's way between two cores costs, before and after each sample.
//!
//! On a virtual machine the cores move: now they share a cache, now they lie on different chips, where a line's way takes five times as
//! long. A run lasts longer than either, so each contestant would get its own mixture of the two. A sample counts as steady if the price
//! is near the least that the run has seen, before and after it. For one that is not the run waits, and takes it again: for as long in all as
//! the samples themselves have taken. Then it goes on as it is, and the record says how many samples were not steady.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use benches::Sample;

use super::child;

/// Hand-overs of a line that make a price: a millisecond.
const HAND_OVERS: &str = "20000";
/// The longest that a price may take to be told; a busy machine takes longer, and is not steady.
const LIMIT: Duration = Duration::from_secs(1);
/// Prices above the least by more than this are of another machine.
const TOLERANCE: f64 = 1.6;
/// Between two looks at a machine that is not steady.
const PAUSE: Duration = Duration::from_millis(250);
/// Looks that find the least price before the first sample.
const FIRST_LOOKS: usize = 12;
/// The waiting that a run may begin with, before it has taken a sample.
const ADVANCE: Duration = Duration::from_secs(60);

/// Watches the machine under one run.
#[derive(Debug)]
pub(crate) struct Steadiness {
    program: PathBuf,
    /// The least price seen, in nanoseconds.
    least: f64,
    waited: Duration,
    began: Instant,
    unsteady: usize,
}

impl Steadiness {
    /// Begins to watch. `None` where there are no two cores.
    pub(crate) fn begin(program: &Path) -> Option<Self> {
        if thread::available_parallelism().map_or(1, std::num::NonZero::get) < 2 {
            return None;
        }
        let mut this = Self {
            program: program.to_owned(),
            least: f64::INFINITY,
            waited: Duration::ZERO,
            began: Instant::now(),
            unsteady: 0,
        };
        for _ in 0..FIRST_LOOKS {
            this.is_steady();
            thread::sleep(PAUSE);
        }
        Some(this)
    }

    /// Takes a sample on a steady machine, if it can be had.
    pub(crate) fn take<R>(&mut self, mut sample: impl FnMut() -> R) -> R {
        loop {
            self.wait();
            let began = Instant::now();
            let taken = sample();
            if self.is_steady() {
                return taken;
            }
            if !self.may_wait() {
                self.unsteady += 1;
                return taken;
            }
            self.waited += began.elapsed();
        }
    }

    /// What the record says: the least price, and how many samples were taken at another.
    pub(crate) fn told(&self) -> (Option<f64>, usize) {
        (self.least.is_finite().then_some(self.least), self.unsteady)
    }

    fn wait(&mut self) {
        let began = Instant::now();
        while !self.is_steady() && self.may_wait_after(began.elapsed()) {
            thread::sleep(PAUSE);
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

    fn is_steady(&mut self) -> bool {
        let price = self.price();
        self.least = price.unwrap_or(f64::INFINITY).min(self.least);
        price.is_some_and(|price| price <= self.least * TOLERANCE)
    }

    fn price(&self) -> Option<f64> {
        let mut command = Command::new(&self.program);
        let command = command.args(["floor-cache-line", "floor", HAND_OVERS, "2"]);
        let printed = child::output(command, LIMIT).ok()?;
        let sample: Sample = serde_json::from_str(printed.trim()).ok()?;
        sample.measures.get("time-per-job").copied()
    }
}
