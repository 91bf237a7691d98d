//! What happened, step by step: the same text for the same seed.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use pool_core::machine::Point;

/// Events that are kept; of a longer run the earlier ones are counted alone.
const MAX_KEPT: usize = 100_000;

/// What happened in a simulation, in order. Its text is the same, byte for byte, for the same
/// schedule and the same program.
///
/// Two traces of one schedule are compared by their texts. Each line has the step, the simulated
/// time, the thread, and what it did.
///
/// # Examples
///
/// ```
/// use pool_sim::{Simulation, thread};
///
/// let run = || Simulation::new(7).try_run(|_sim| thread::spawn(|| ()).join().is_ok());
/// assert_eq!(run()?.trace.to_string(), run()?.trace.to_string());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Trace(Box<Kept>);

/// Behind a box, so that what has a trace stays small.
#[derive(Debug, Clone, Default)]
struct Kept {
    /// The last [`MAX_KEPT`].
    events: VecDeque<Event>,
    /// How many came before these.
    dropped: u64,
    /// The threads' names, by number.
    names: Vec<String>,
}

/// What one thread did at one moment.
#[derive(Debug, Clone)]
struct Event {
    /// The turns that had ended before.
    step: u64,
    /// By the simulated clock.
    at: Duration,
    thread: usize,
    what: What,
}

/// What a thread did, or what was done to it.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// It came to a point of the pool's.
    Point(Point),
    /// It gave way.
    Yield,
    /// It parked, up to this time.
    Park(Option<Duration>),
    /// It unparked this thread.
    Unpark(usize),
    /// It began to wait for this thread's end.
    WaitFor(usize),
    /// A time that it waited for has come.
    Due(&'static str),
    /// It started this thread.
    Begin(usize),
    /// It asked for a thread, and was refused.
    RefuseThread,
    Leave,
    /// The job of this number is made to panic.
    InjectPanic(u64),
    /// It keeps this thread from going on until this time.
    Stall(usize, Duration),
    /// The test wrote this.
    Note(String),
}

impl Trace {
    /// Notes the name of the next thread.
    pub(crate) fn name(&mut self, name: &str) {
        self.0.names.push(name.to_owned());
    }

    /// Adds an event, and drops the oldest if there are too many.
    pub(crate) fn push(&mut self, step: u64, at: Duration, thread: usize, what: What) {
        if self.0.events.len() == MAX_KEPT {
            self.0.events.pop_front();
            self.0.dropped += 1;
        }
        self.0.events.push_back(Event {
            step,
            at,
            thread,
            what,
        });
    }

    /// Returns how many events there were.
    ///
    /// Those that are no longer kept are counted as well.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_sim::Simulation;
    /// let ran = Simulation::new(7).try_run(|sim| sim.note("once"))?;
    /// assert!(ran.trace.len() >= 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> u64 {
        self.0.dropped + self.0.events.len() as u64
    }

    /// Returns whether nothing happened.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_sim::Simulation;
    /// let ran = Simulation::new(7).try_run(|sim| sim.note("once"))?;
    /// assert!(!ran.trace.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the text of the last `count` events.
    ///
    /// A line for each; fewer if there were not so many.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_sim::Simulation;
    /// let ran = Simulation::new(7).try_run(|sim| sim.note("once"))?;
    /// assert_eq!(ran.trace.last(1).lines().count(), 1);
    /// assert!(ran.trace.to_string().ends_with(&ran.trace.last(1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn last(&self, count: usize) -> String {
        let skipped = self.0.events.len().saturating_sub(count);
        let mut text = String::new();
        for event in self.0.events.iter().skip(skipped) {
            // A string takes whatever is written to it.
            let _written = self.line(event, &mut text);
        }
        text
    }

    fn name_of(&self, thread: usize) -> &str {
        self.0.names.get(thread).map_or("?", String::as_str)
    }

    /// Writes one event as its line.
    fn line(&self, event: &Event, text: &mut impl fmt::Write) -> fmt::Result {
        let Event {
            step, at, thread, ..
        } = event;
        let (seconds, nanos) = (at.as_secs(), at.subsec_nanos());
        let name = self.name_of(*thread);
        write!(text, "{step:>7} {seconds:>3}.{nanos:09} t{thread} {name}: ")?;
        self.what(&event.what, text)?;
        text.write_char('\n')
    }

    fn what(&self, what: &What, text: &mut impl fmt::Write) -> fmt::Result {
        match what {
            What::Point(point) => write!(text, "{}", Words(*point)),
            What::Yield => text.write_str("gives way"),
            What::Park(None) => text.write_str("parks"),
            What::Park(Some(limit)) => write!(text, "parks until {:.9}", limit.as_secs_f64()),
            What::Unpark(other) => write!(text, "unparks t{other} {}", self.name_of(*other)),
            What::WaitFor(other) => {
                write!(
                    text,
                    "waits for the end of t{other} {}",
                    self.name_of(*other)
                )
            }
            What::Due(what) => write!(text, "is due: {what}"),
            What::Begin(other) => write!(text, "starts t{other} {}", self.name_of(*other)),
            What::RefuseThread => text.write_str("is refused a thread"),
            What::Leave => text.write_str("ends"),
            What::InjectPanic(job) => write!(text, "job #{job} is made to panic"),
            What::Stall(other, until) => {
                let name = self.name_of(*other);
                write!(
                    text,
                    "stalls t{other} {name} until {:.9}",
                    until.as_secs_f64()
                )
            }
            What::Note(note) => write!(text, "notes: {note}"),
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.dropped > 0 {
            writeln!(f, "({} earlier events)", self.0.dropped)?;
        }
        self.0
            .events
            .iter()
            .try_for_each(|event| self.line(event, f))
    }
}

/// A point as a trace says it.
struct Words(Point);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Point::Submit(id) => write!(f, "submits job {id}"),
            Point::Pushed(id, _) => write!(f, "has pushed job {id}"),
            Point::Refused(id) => write!(f, "is refused job {id}"),
            Point::Moved(id) => write!(f, "has moved job {id}"),
            Point::Look => f.write_str("looks for a job"),
            Point::Took(id) => write!(f, "takes job {id}"),
            Point::Begin(id) => write!(f, "runs job {id}"),
            Point::Done(id) => write!(f, "is done with job {id}"),
            Point::Rest => f.write_str("finds nothing"),
            Point::Ask => f.write_str("asks"),
            Point::Join(id) => write!(f, "joins job {id}"),
            Point::Cancel(id) => write!(f, "cancels job {id}"),
            Point::Close => f.write_str("closes the pool"),
            Point::CancelAll => f.write_str("cancels the pool"),
            Point::Stop => f.write_str("stops the pool"),
            Point::Pause => f.write_str("pauses the pool"),
            Point::Resume => f.write_str("ends the pool's pause"),
        }
    }
}
