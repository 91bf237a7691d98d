//! The state of a simulation: its threads, its clock, and whose turn comes next.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use pool_core::JobId;
use pool_core::machine::Point;

use crate::schedule::{Drawing, Schedule, Turn};
use crate::trace::{Trace, What};
use crate::waits::Waits;
use crate::world::Baton;

/// What each step takes of the simulated time: a microsecond, about what it takes on a real
/// machine.
const STEP: Duration = Duration::from_micros(1);

/// Steps without any progress after which time goes faster: the threads wait for it, by asking
/// again and again.
const SPINS: u32 = 64;

/// How much faster: that many doublings at most, a quarter of an hour a step. Each takes as
/// many steps as the one before, so time overshoots what a loop waits for by a thirtieth of the
/// wait.
const MAX_DOUBLINGS: u32 = 30;

/// Points that one thread may come to in a row while others could go on. Then it is taken for one
/// that asks again and again.
const MAX_IN_A_ROW: u32 = 1000;

/// Everything about a simulation that its threads share, behind one lock. A thread changes it at
/// the end of its turn, and the next thread goes on with what it left: so it depends on the
/// schedule and the program alone.
pub(crate) struct State {
    pub(crate) schedule: Schedule,
    /// All that is drawn, in the order of the turns.
    pub(crate) drawing: Drawing,
    pub(crate) is_fifo: bool,
    /// The time since the simulation began; it never goes back.
    pub(crate) clock: Duration,
    /// By number. The test is thread 0; one that has left keeps its number.
    pub(crate) threads: Vec<Thread>,
    pub(crate) trace: Trace,
    /// Which thread waits for which job, for a deadlock's message.
    waits: Waits,
    /// The id of the job made last: ids are the simulation's own, so they are the same in each run.
    pub(crate) jobs: u64,
    /// Turns that have ended.
    pub(crate) steps: u64,
    most_steps: u64,
    /// Grows with every call: what the watchdog looks at.
    pub(crate) moves: u64,
    /// Nobody has a turn any more.
    pub(crate) is_over: bool,
    /// The test has panicked, and what it held is being dropped.
    pub(crate) is_test_panicking: bool,
    /// Why it failed, if it did.
    pub(crate) failure: Option<String>,
    /// The thread whose turn it is.
    running: usize,
    /// How many turns it has had in a row.
    in_a_row: u32,
    /// Steps in a row that may be of a loop that waits for time to pass.
    spins: u32,
    /// A thread that lets the others do one step.
    stepping: Option<usize>,
    /// Jobs that are made to panic; and whether the next one is.
    pub(crate) panicking: BTreeSet<JobId>,
    pub(crate) is_next_panicking: bool,
    /// Threads that are given before one is refused.
    pub(crate) threads_before_refusal: Option<usize>,
}

/// A thread as the scheduler knows it.
pub(crate) struct Thread {
    pub(crate) name: String,
    pub(crate) status: Status,
    /// An unpark came; the next park returns at once.
    pub(crate) is_unparked: bool,
    /// A [`stall`](crate::Sim::stall) keeps it from going on before this time.
    pub(crate) stalled_until: Option<Duration>,
    /// By which its turn is given to it.
    pub(crate) baton: Arc<Baton>,
}

/// What a thread can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Go on.
    Able,
    /// Wait for an unpark, or the limit.
    Parked(Option<Duration>),
    /// Wait until another has left.
    WaitsFor(usize),
    /// Wait until nobody is able, and then for this time to come.
    Idles(Option<Duration>),
    /// Wait for another's step.
    Steps,
    /// Nothing any more.
    Left,
}

/// Whose turn it is.
pub(crate) enum Next {
    Thread(usize),
    /// Nobody's, ever.
    Over,
}

impl State {
    /// A simulation that has not begun, with the test as its only thread.
    pub(crate) fn new(schedule: Schedule, most_steps: u64, is_fifo: bool) -> Self {
        let mut state = Self {
            schedule,
            drawing: Drawing::new(schedule),
            is_fifo,
            clock: Duration::ZERO,
            threads: Vec::new(),
            trace: Trace::default(),
            waits: Waits::default(),
            jobs: 0,
            steps: 0,
            most_steps,
            moves: 0,
            is_over: false,
            is_test_panicking: false,
            failure: None,
            running: 0,
            in_a_row: 0,
            spins: 0,
            stepping: None,
            panicking: BTreeSet::new(),
            is_next_panicking: false,
            threads_before_refusal: None,
        };
        state.add("test");
        state
    }

    /// Adds a thread that is able to go on, and returns its number.
    fn add(&mut self, name: &str) -> usize {
        self.drawing.begin();
        self.trace.name(name);
        self.threads.push(Thread {
            name: name.to_owned(),
            status: Status::Able,
            is_unparked: false,
            stalled_until: None,
            baton: Arc::default(),
        });
        self.threads.len() - 1
    }

    /// A thread is to be started: its number, or the refusal that
    /// [`refuse_thread_after`](crate::Sim::refuse_thread_after) has set.
    pub(crate) fn begin(&mut self, name: Option<&str>) -> io::Result<usize> {
        if self.threads_before_refusal == Some(0) {
            self.threads_before_refusal = None;
            self.note(self.running, What::RefuseThread);
            return Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                "the simulation refuses this thread",
            ));
        }
        self.threads_before_refusal = self.threads_before_refusal.map(|before| before - 1);
        let thread = self.add(name.unwrap_or("thread"));
        self.note(self.running, What::Begin(thread));
        self.spins = 0;
        Ok(thread)
    }

    /// A thread has had its last turn: those that wait for its end can go on.
    pub(crate) fn leave(&mut self, thread: usize) {
        self.note(thread, What::Leave);
        self.spins = 0;
        self.threads[thread].status = Status::Left;
        for other in &mut self.threads {
            if other.status == Status::WaitsFor(thread) {
                other.status = Status::Able;
            }
        }
    }

    /// The thread whose turn it is unparks another one, which may be parked later all the same.
    pub(crate) fn unpark(&mut self, thread: usize) {
        self.note(self.running, What::Unpark(thread));
        self.spins = 0;
        let other = &mut self.threads[thread];
        other.is_unparked = true;
        if matches!(other.status, Status::Parked(_)) {
            other.status = Status::Able;
        }
    }

    /// Writes an event into the trace, at this step and time.
    pub(crate) fn note(&mut self, thread: usize, what: What) {
        self.moves += 1;
        self.trace.push(self.steps, self.clock, thread, what);
    }

    /// A point that may be of a loop that asks again and again makes time pass faster; any other
    /// one is progress.
    pub(crate) fn come_to(&mut self, thread: usize, point: Point) {
        self.note(thread, What::Point(point));
        self.waits.come_to(thread, point);
        match point {
            Point::Ask | Point::Look | Point::Rest | Point::Submit(_) | Point::Refused(_) => {
                self.spin();
            }
            _ => self.spins = 0,
        }
    }

    /// A step that may be one of a loop which waits for time to pass: time passes faster and faster
    /// then, up to the next alarm.
    pub(crate) fn spin(&mut self) {
        self.spins += 1;
        let doublings = (self.spins / SPINS).min(MAX_DOUBLINGS);
        if doublings > 0 {
            let next = self.next_alarm().unwrap_or(Duration::MAX);
            let faster = self.clock + STEP * (1 << doublings);
            self.clock = faster.min(next.max(self.clock));
        }
    }

    /// How the turn of a thread ends that has come to a point.
    pub(crate) fn turn_at_point(&self) -> Turn {
        // One that only asks makes time pass faster. That is for where all do; the others are to
        // have their turn before.
        if self.in_a_row < MAX_IN_A_ROW && self.spins < SPINS {
            Turn::Point
        } else {
            Turn::Yield
        }
    }

    /// Whether a job that begins is one that was to panic.
    pub(crate) fn panics(&mut self, thread: usize, job: JobId) -> bool {
        let panics = self.panicking.remove(&job) || std::mem::take(&mut self.is_next_panicking);
        if panics {
            self.note(thread, What::InjectPanic(job.as_u64()));
        }
        panics
    }

    /// Ends the turn of `thread`, and says whose is next.
    ///
    /// The caller has noted what the thread did, and set its status if it blocks. It gives the turn
    /// to the thread that is returned, after it has unlocked the state.
    pub(crate) fn next(&mut self, thread: usize, turn: Turn) -> Next {
        self.moves += 1;
        self.steps += 1;
        self.clock += STEP;
        if self.is_over {
            return Next::Over;
        }
        if self.steps > self.most_steps {
            return self.fail(format!("no end after {} steps", self.most_steps));
        }
        self.wake_due();
        if let Some(driver) = self.stepping.take() {
            self.threads[driver].status = Status::Able;
            return self.give(driver);
        }
        loop {
            let able = self.able();
            if !able.is_empty() {
                let next = self.drawing.choose(&able, thread, turn, self.steps);
                if self.threads.iter().any(|it| it.status == Status::Steps) {
                    self.stepping = self.position(|status| status == Status::Steps);
                }
                return self.give(next);
            }
            if let Some(driver) = self.position(|status| status == Status::Steps) {
                // Nobody has a step to do.
                self.threads[driver].status = Status::Able;
                continue;
            }
            if let Some(driver) = self.position(|status| status == Status::Idles(None)) {
                self.threads[driver].status = Status::Able;
                continue;
            }
            match self.next_alarm() {
                Some(alarm) => {
                    self.clock = alarm.max(self.clock);
                    self.wake_due();
                }
                None => return self.nobody_is_able(),
            }
        }
    }

    /// Makes it the turn of this thread.
    fn give(&mut self, next: usize) -> Next {
        if next == self.running {
            self.in_a_row += 1;
        } else {
            self.in_a_row = 0;
        }
        self.running = next;
        Next::Thread(next)
    }

    /// Those that can go on now, in the order of their numbers: what is drawn among them must not
    /// depend on anything else.
    fn able(&self) -> Vec<usize> {
        let is_able = |thread: &Thread| {
            thread.status == Status::Able
                && thread.stalled_until.is_none_or(|until| until <= self.clock)
        };
        let threads = self.threads.iter().enumerate();
        let able = threads.filter(|(_, thread)| is_able(thread));
        able.map(|(index, _)| index).collect()
    }

    /// The first thread in such a state.
    fn position(&self, is_it: impl Fn(Status) -> bool) -> Option<usize> {
        self.threads.iter().position(|thread| is_it(thread.status))
    }

    /// When the next thing is due that time alone brings.
    fn next_alarm(&self) -> Option<Duration> {
        let alarms = self
            .threads
            .iter()
            .filter_map(|thread| match thread.status {
                Status::Parked(limit) => limit,
                Status::Idles(until) => until.filter(|until| *until > self.clock),
                Status::Able => thread.stalled_until.filter(|until| *until > self.clock),
                Status::WaitsFor(_) | Status::Steps | Status::Left => None,
            });
        alarms.min()
    }

    /// Lets those go on whose time has come. One that waits for idleness goes on only if nobody
    /// else can, or does more than ask.
    fn wake_due(&mut self) {
        let clock = self.clock;
        let mut is_anybody_able = false;
        for index in 0..self.threads.len() {
            let thread = &mut self.threads[index];
            if thread.stalled_until.is_some_and(|until| until <= clock) {
                thread.stalled_until = None;
            }
            if matches!(thread.status, Status::Parked(Some(limit)) if limit <= clock) {
                thread.status = Status::Able;
                self.note(index, What::Due("its limit"));
            }
            let thread = &self.threads[index];
            is_anybody_able |= thread.status == Status::Able && thread.stalled_until.is_none();
        }
        // Threads that only ask are as good as idle, or the driver would never have its turn.
        if (!is_anybody_able || self.spins >= SPINS)
            && let Some(driver) = self
                .position(|status| matches!(status, Status::Idles(Some(until)) if until <= clock))
        {
            self.threads[driver].status = Status::Able;
        }
    }

    /// Nobody can go on, and no time brings anything: the end, if the test has left, otherwise a
    /// deadlock, with the waits of each thread in the message.
    fn nobody_is_able(&mut self) -> Next {
        if self.threads[0].status == Status::Left {
            self.is_over = true;
            return Next::Over;
        }
        let mut text = String::from("deadlock: nobody can go on");
        for (index, thread) in self.threads.iter().enumerate() {
            let waits = match thread.status {
                Status::Left => continue,
                Status::WaitsFor(other) => format!("waits for the end of t{other}"),
                Status::Parked(_) => match self.waits.join_of(index) {
                    Some(job) => format!("is parked, and waits for job {job}"),
                    None => "is parked".to_owned(),
                },
                status => format!("{status:?}"),
            };
            // A string takes whatever is written to it.
            let _written = write!(text, "\n  t{index} {}: {waits}", thread.name);
        }
        let name = |thread: usize| format!("t{thread} {}", self.threads[thread].name);
        if let Some(circle) = self.waits.circle(name) {
            text.push('\n');
            text.push_str(&circle);
        }
        self.fail(text)
    }

    /// Ends the simulation as failed. The first reason stays.
    pub(crate) fn fail(&mut self, mut why: String) -> Next {
        if self.is_test_panicking {
            why.push_str("\n  while the test unwinds from a panic of its own, whose text is above: that is the cause");
        }
        self.failure.get_or_insert(why);
        self.is_over = true;
        Next::Over
    }

    /// Threads that have not ended.
    pub(crate) fn left_behind(&self) -> usize {
        let is_left = |thread: &&Thread| thread.status != Status::Left;
        self.threads.iter().filter(is_left).count()
    }
}
