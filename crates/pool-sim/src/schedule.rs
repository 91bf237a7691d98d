//! Which thread goes on next: a walk at random, or priorities in the manner of PCT.
//!
//! **At random**: at each point the thread that runs goes on with a probability that is the seed's
//! own (from one half to one in sixty-four for a switch), otherwise any of those that can. Seeds
//! that switch seldom find what needs one thread to run far ahead; those that switch often, what
//! needs many small steps.
//!
//! **PCT** (Burckhardt and others, *A randomized scheduler with probabilistic guarantees of finding
//! bugs*, 2010): each thread has a priority, drawn as it starts; the highest that can go on does.
//! At `depth - 1` points, drawn among the first `steps`, the thread that runs falls below all
//! others. A bug that needs `d` orderings to meet, among `n` threads, is found by a schedule of
//! depth `d` with a probability of at least 1 / (n · steps^(d-1)). What the theory leaves out costs
//! two exceptions: a thread that gives way falls below all as well, or a loop that waits for
//! another would never end; and one that was passed over for long rises again, or threads that wake
//! each other without end would keep it out forever.

use std::fmt;
use std::str::FromStr;

use crate::random::Random;

/// How the schedule of one simulation is drawn. Its text replays it: `42`, or `pct:3:5000:42`.
///
/// A failure prints it, and the variable `POOL_SIM_SEED` takes it: [`FromStr`] and
/// [`Display`](fmt::Display) are each other's inverse.
///
/// # Examples
///
/// ```
/// use pool_sim::Schedule;
///
/// let schedule: Schedule = "pct:3:5000:42".parse()?;
/// assert_eq!(schedule, Schedule::Pct { seed: 42, depth: 3, steps: 5000 });
/// assert_eq!(schedule.to_string(), "pct:3:5000:42");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// A walk at random.
    Random {
        /// What it is drawn from.
        seed: u64,
    },
    /// By priorities.
    Pct {
        /// What it is drawn from.
        seed: u64,
        /// How many orderings a bug may need to show.
        depth: usize,
        /// Among how many steps the priorities change.
        steps: u64,
    },
}

impl Schedule {
    /// Returns the seed that everything is drawn from.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_sim::Schedule;
    ///
    /// assert_eq!(Schedule::Random { seed: 42 }.seed(), 42);
    /// ```
    pub fn seed(self) -> u64 {
        match self {
            Self::Random { seed } | Self::Pct { seed, .. } => seed,
        }
    }

    /// Returns the same way to draw, from another seed.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_sim::Schedule;
    ///
    /// let schedule = Schedule::Pct { seed: 1, depth: 3, steps: 5000 };
    /// assert_eq!(schedule.with_seed(2).to_string(), "pct:3:5000:2");
    /// ```
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        match self {
            Self::Random { .. } => Self::Random { seed },
            Self::Pct { depth, steps, .. } => Self::Pct { seed, depth, steps },
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random { seed } => write!(f, "{seed}"),
            Self::Pct { seed, depth, steps } => write!(f, "pct:{depth}:{steps}:{seed}"),
        }
    }
}

/// The text is no schedule.
///
/// Its message says what a schedule looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseScheduleError(String);

impl fmt::Display for ParseScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no schedule: write a seed, as `42`, or `pct:DEPTH:STEPS:SEED`, as `pct:3:5000:42`",
            self.0
        )
    }
}

impl std::error::Error for ParseScheduleError {}

impl FromStr for Schedule {
    type Err = ParseScheduleError;

    fn from_str(text: &str) -> Result<Self, ParseScheduleError> {
        let wrong = || ParseScheduleError(text.to_owned());
        let number = |part: &str| part.trim().parse::<u64>().map_err(|_| wrong());
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            [seed] => Ok(Self::Random {
                seed: number(seed)?,
            }),
            ["pct", depth, steps, seed] => Ok(Self::Pct {
                seed: number(seed)?,
                depth: usize::try_from(number(depth)?).map_err(|_| wrong())?,
                steps: number(steps)?,
            }),
            _ => Err(wrong()),
        }
    }
}

/// How often a thread is passed over before it rises again. A run that is shorter keeps to the
/// theory.
const MAX_PASSED: u32 = 5000;

/// The state of a schedule that is under way.
///
/// Everything that one simulation draws comes from here, in the order of its turns: so the same
/// schedule gives the same draws.
#[derive(Debug)]
pub(crate) struct Drawing {
    /// Also for draws of the pool and of the test.
    pub(crate) random: Random,
    way: Way,
}

/// How the next thread is chosen.
#[derive(Debug)]
enum Way {
    /// A switch is one chance in that many.
    Random {
        /// From 2 to 64, drawn once for the whole simulation.
        one_in: usize,
    },
    /// By priorities, as PCT does.
    Pct(Priorities),
}

/// By thread, in the order of their starts.
#[derive(Debug)]
struct Priorities {
    /// Positive as drawn, negative once fallen; the highest goes on.
    of_threads: Vec<i64>,
    /// How often each was able to go on and did not, since it last did.
    passed: Vec<u32>,
    /// The steps at which the thread that runs falls, the last first.
    falls: Vec<u64>,
    /// What was given to the last that fell: the next one falls below it.
    lowest: i64,
}

/// Why somebody else may go on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The thread that runs has come to a point, and could go on.
    Point,
    /// It gives way: others first.
    Yield,
    /// It cannot go on.
    Blocked,
}

impl Drawing {
    pub(crate) fn new(schedule: Schedule) -> Self {
        let mut random = Random::new(schedule.seed());
        let way = match schedule {
            Schedule::Random { .. } => Way::Random {
                one_in: 2 << random.below(6),
            },
            Schedule::Pct { depth, steps, .. } => {
                let most = usize::try_from(steps).unwrap_or(usize::MAX).max(1);
                let falls = (1..depth).map(|_| random.below(most) as u64);
                let mut falls: Vec<u64> = falls.collect();
                falls.sort_unstable_by(|a, b| b.cmp(a));
                Way::Pct(Priorities {
                    of_threads: Vec::new(),
                    passed: Vec::new(),
                    falls,
                    lowest: 0,
                })
            }
        };
        Self { random, way }
    }

    /// A thread was added, and gets a priority where there are any.
    pub(crate) fn begin(&mut self) {
        if let Way::Pct(priorities) = &mut self.way {
            priorities.of_threads.push(high(&mut self.random));
            priorities.passed.push(0);
        }
    }

    /// One of `able`, which is not empty. `running` is the thread whose turn ends, or goes on.
    ///
    /// Called once for each turn, with the step that it begins; what is drawn depends on the order
    /// of the calls.
    pub(crate) fn choose(
        &mut self,
        able: &[usize],
        running: usize,
        turn: Turn,
        step: u64,
    ) -> usize {
        match &mut self.way {
            Way::Random { one_in } => {
                let goes_on = turn == Turn::Point && able.contains(&running);
                if goes_on && self.random.below(*one_in) != 0 {
                    return running;
                }
                let others = able.iter().filter(|&&it| it != running).count();
                if turn == Turn::Yield && others > 0 {
                    let choice = self.random.below(others);
                    let mut others = able.iter().filter(|&&it| it != running);
                    return *others.nth(choice).expect("there are so many");
                }
                able[self.random.below(able.len())]
            }
            Way::Pct(priorities) => {
                priorities.fall(running, turn, step);
                priorities.choose(able, &mut self.random)
            }
        }
    }
}

/// A priority above all that have fallen.
fn high(random: &mut Random) -> i64 {
    (random.next() >> 2) as i64 + 1
}

impl Priorities {
    /// The one with the highest priority, after those that were passed over for too long have
    /// risen.
    fn choose(&mut self, able: &[usize], random: &mut Random) -> usize {
        for &thread in able {
            self.passed[thread] += 1;
            if self.passed[thread] > MAX_PASSED {
                self.of_threads[thread] = high(random);
                self.passed[thread] = 0;
            }
        }
        let highest = able.iter().max_by_key(|&&it| self.of_threads[it]);
        let highest = *highest.expect("somebody is able");
        self.passed[highest] = 0;
        highest
    }

    /// The thread whose turn ends falls below all others, if it gives way or one of the drawn steps
    /// has come.
    fn fall(&mut self, running: usize, turn: Turn, step: u64) {
        let mut falls = turn == Turn::Yield;
        while self.falls.last().is_some_and(|&at| at <= step) {
            self.falls.pop();
            falls = true;
        }
        if falls {
            self.lowest -= 1;
            self.of_threads[running] = self.lowest;
        }
    }
}
