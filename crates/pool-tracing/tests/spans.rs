//! Spans of jobs, on every backend: whose child each is, and that none stays on a worker.

use std::collections::HashMap;
use std::fmt;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pool::{Backend, JobContext, JobExt, Pool, infallible_fn};
use pool_tracing::PoolTracing;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// After this the machine is not slow: something is wrong.
const LIMIT: Duration = Duration::from_secs(60);

/// What the layer saw of one span.
#[derive(Debug, Clone, Default)]
struct Seen {
    name: &'static str,
    parent: Option<u64>,
    follows: Option<u64>,
    fields: HashMap<&'static str, String>,
    /// Entered less exited.
    open: i64,
    is_closed: bool,
}

/// An event: its name, its level, the span that it is in, and its fields.
#[derive(Debug, Clone)]
struct Told {
    name: &'static str,
    level: Level,
    parent: Option<u64>,
    fields: HashMap<&'static str, String>,
}

#[derive(Debug, Default)]
struct All {
    spans: HashMap<u64, Seen>,
    events: Vec<Told>,
}

/// Records all spans and events.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<All>>);

impl Recorder {
    fn with<R>(&self, look: impl FnOnce(&mut All) -> R) -> R {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The spans of jobs with this name.
    fn jobs(&self, name: &str) -> Vec<(u64, Seen)> {
        let is_named = |seen: &Seen| seen.fields.get("name").is_some_and(|it| it == name);
        self.with(|all| {
            let jobs = all.spans.iter().filter(|(_, seen)| is_named(seen));
            jobs.map(|(id, seen)| (*id, seen.clone())).collect()
        })
    }
}

struct Fields<'a>(&'a mut HashMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        self.0
            .insert(field.name(), text.trim_matches('"').to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::DEBUG
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).expect("it was just made");
        let mut seen = Seen {
            name: attributes.metadata().name(),
            parent: span.parent().map(|parent| parent.id().into_u64()),
            ..Seen::default()
        };
        attributes.record(&mut Fields(&mut seen.fields));
        self.with(|all| all.spans.insert(id.into_u64(), seen));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.with(|all| {
            let seen = all.spans.get_mut(&id.into_u64()).expect("it was made");
            values.record(&mut Fields(&mut seen.fields));
        });
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, _: Context<'_, S>) {
        self.with(|all| {
            let seen = all.spans.get_mut(&id.into_u64()).expect("it was made");
            seen.follows = Some(follows.into_u64());
        });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = HashMap::new();
        event.record(&mut Fields(&mut fields));
        let told = Told {
            name: event.metadata().name(),
            level: *event.metadata().level(),
            parent: context.event_span(event).map(|span| span.id().into_u64()),
            fields,
        };
        self.with(|all| all.events.push(told));
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        self.with(|all| all.spans.get_mut(&id.into_u64()).expect("it was made").open += 1);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        self.with(|all| all.spans.get_mut(&id.into_u64()).expect("it was made").open -= 1);
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.with(|all| {
            all.spans
                .get_mut(&id.into_u64())
                .expect("it was made")
                .is_closed = true
        });
    }
}

/// One recorder for the process: a job's events go to the default of its worker's thread. The tests
/// know their spans by names.
fn recorder() -> Recorder {
    static RECORDER: std::sync::OnceLock<Recorder> = std::sync::OnceLock::new();
    let make = || {
        let recorder = Recorder::default();
        let subscriber = tracing_subscriber::registry().with(recorder.clone());
        tracing::subscriber::set_global_default(subscriber).expect("nobody else sets it");
        recorder
    };
    RECORDER.get_or_init(make).clone()
}

fn pool_on(backend: Backend, workers: usize) -> Pool {
    let pool = Pool::builder().backend(backend).workers(workers);
    pool.observe(PoolTracing::new("traced"))
        .build()
        .expect("it is compiled in")
}

/// The id of a span that this layer made.
fn id_of(span: &tracing::Span) -> u64 {
    span.id().expect("it is enabled").into_u64()
}

#[track_caller]
fn one(recorder: &Recorder, name: &str) -> (u64, Seen) {
    let mut jobs = recorder.jobs(name);
    assert_eq!(jobs.len(), 1, "one span for {name}");
    jobs.remove(0)
}

fn idle(_: &JobContext<'_>) -> Result<(), String> {
    Ok(())
}

#[test]
fn a_jobs_span_is_below_its_submitters_and_a_childs_below_its_parents() {
    let recorder = recorder();
    for backend in Backend::available() {
        let pool = pool_on(backend, 2);
        let request = info_span!("request");
        let (parent, child) = (
            format!("parent on {backend}"),
            format!("child on {backend}"),
        );
        let named = child.clone();
        let job = move |ctx: &JobContext<'_>| {
            let child = ctx
                .submit(idle.named(named))
                .map_err(|_| "closed".to_owned())?;
            child.join().map_err(|error| error.to_string())
        };
        let handle = request.in_scope(|| pool.submit(job.named(parent.clone())));
        handle.expect("there is room").join().expect("it completes");
        pool.wait_idle();
        let (parents, seen) = one(&recorder, &parent);
        assert_eq!(
            (seen.name, seen.parent),
            ("pool.job", Some(id_of(&request)))
        );
        let (_, child) = one(&recorder, &child);
        assert_eq!(child.parent, Some(parents), "on {backend}");
        assert_eq!((seen.open, child.open), (0, 0), "each was left");
        assert!(
            seen.is_closed && child.is_closed,
            "a span closes with its job"
        );
        assert_eq!(seen.fields["pool"], "traced");
        assert_eq!(seen.fields["backend"], backend.to_string());
        for field in ["id", "kind", "worker", "wait_us"] {
            assert!(seen.fields.contains_key(field), "no {field} in {seen:?}");
        }
    }
}

#[test]
fn a_job_that_is_only_executed_follows_from_its_submitters_span() {
    let recorder = recorder();
    for backend in Backend::available() {
        let pool = pool_on(backend, 1);
        let request = info_span!("request");
        let name = format!("executed on {backend}");
        request
            .in_scope(|| pool.execute(idle.named(name.clone())))
            .expect("there is room");
        pool.wait_idle();
        let (_, seen) = one(&recorder, &name);
        assert_eq!((seen.parent, seen.follows), (None, Some(id_of(&request))));
    }
}

#[test]
fn no_worker_has_a_span_after_many_jobs_and_polls() {
    recorder();
    for backend in Backend::available() {
        let (send, currents) = std::sync::mpsc::channel();
        let pool = Pool::builder().backend(backend).workers(2);
        let pool = pool
            .observe(PoolTracing::new("traced"))
            .on_worker_stop(move |_| {
                let current = tracing::Span::current();
                let _gone = send.send(current.id());
            });
        let pool = pool.build().expect("it is compiled in");
        let panicked = pool
            .spawn(|| panic!("a span is left by a panic too"))
            .expect("it is open");
        assert!(panicked.join().is_err());
        for _ in 0..12_500 {
            pool.execute(idle).expect("it is open");
            pool.spawn_future(async { std::future::ready(1).await })
                .expect("it is open")
                .detach();
        }
        pool.wait_idle();
        drop(pool);
        let currents: Vec<_> = currents.iter().collect();
        assert_eq!(currents, [None, None], "on {backend}, as each worker stops");
    }
}

#[test]
fn ends_that_are_no_success_are_events_in_the_jobs_span() {
    let recorder = recorder();
    let pool = pool_on(Backend::Channel, 1);
    let panics = |_: &JobContext<'_>| -> Result<(), String> { panic!("out of ink") };
    let fails = |_: &JobContext<'_>| Err::<(), _>("out of paper".to_owned());
    let panics = pool
        .submit(panics.named("event: panics"))
        .expect("there is room");
    let fails = pool
        .submit(fails.named("event: fails"))
        .expect("there is room");
    let late = idle
        .named("event: late")
        .with_deadline(std::time::Instant::now());
    let late = pool.submit(late).expect("it takes no place");
    assert!(panics.join().is_err() && fails.join().is_err() && late.join().is_err());
    pool.wait_idle();
    let told = |name: &str| {
        let is_named = |told: &&Told| told.fields.get("name").is_some_and(|it| it == name);
        recorder
            .with(|all| all.events.iter().find(is_named).cloned())
            .expect("it is told")
    };
    let panicked = told("event: panics");
    assert_eq!(
        (panicked.name, panicked.level),
        ("job.panicked", Level::ERROR)
    );
    assert_eq!(panicked.fields["message"], "out of ink");
    assert_eq!(panicked.parent, Some(one(&recorder, "event: panics").0));
    let failed = told("event: fails");
    assert_eq!((failed.name, failed.level), ("job.failed", Level::WARN));
    assert_eq!(failed.fields["message"], "out of paper");
    let expired = told("event: late");
    assert_eq!((expired.name, expired.level), ("job.expired", Level::WARN));
}

#[test]
fn a_stuck_job_is_an_event_and_so_is_its_end() {
    let recorder = recorder();
    let tracing = PoolTracing::new("traced");
    let pool = Pool::builder().backend(Backend::Channel).workers(1);
    let pool = pool.stuck_after(std::time::Duration::from_millis(1), tracing.stuck());
    let pool = pool.observe(tracing).build().expect("it starts");
    let told = |recorder: &Recorder| {
        let is_named = |told: &&Told| told.fields.get("name").is_some_and(|it| it == "stuck job");
        recorder.with(|all| {
            all.events
                .iter()
                .filter(is_named)
                .cloned()
                .collect::<Vec<_>>()
        })
    };
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let seen = recorder.clone();
    let waits = move |_: &JobContext<'_>| {
        while told(&seen).is_empty() {
            assert!(std::time::Instant::now() < limit, "nobody told");
            std::thread::yield_now();
        }
        Ok::<_, String>(())
    };
    pool.submit(waits.named("stuck job"))
        .expect("it is open")
        .join()
        .expect("it completes");
    pool.wait_idle();
    let told = told(&recorder);
    let names: Vec<_> = told.iter().map(|told| told.name).collect();
    assert_eq!(names, ["job.stuck", "job.unstuck"]);
    let (span, _) = one(&recorder, "stuck job");
    for told in told {
        assert_eq!(told.parent, Some(span), "{}", told.name);
        assert_eq!(told.fields["backend"], "channel");
    }
}

/// The first at once, and no more than one a second.
#[test]
fn a_queue_that_refuses_jobs_is_told_of_now_and_then_with_how_many() {
    for backend in Backend::available() {
        let recorder = recorder();
        let name = format!("saturated on {backend}");
        let pool = Pool::builder().backend(backend).workers(1);
        let pool = pool.queue_capacity(1);
        let pool = pool.observe(PoolTracing::new(name.clone())).build();
        let pool = pool.expect("it is compiled in");
        let start = Instant::now();
        let (release, held) = channel::<()>();
        let (begin, begun) = channel();
        let holds = move || (begin.send(()), held.recv());
        pool.spawn(holds).expect("there is room").detach();
        begun.recv_timeout(LIMIT).expect("a worker takes it");
        pool.spawn(|| ()).expect("there is room").detach();
        let refused = || {
            let job = infallible_fn(|| ()).named(format!("refused on {backend}"));
            info_span!("request").in_scope(|| pool.try_submit(job).is_err())
        };
        assert!((0..50).all(|_| refused()));
        pool.close();
        assert!(refused(), "as closed: no event");
        let events: Vec<_> = recorder.with(|all| {
            let is_it = |told: &&Told| told.name == "pool.saturated" && told.fields["pool"] == name;
            all.events.iter().filter(is_it).cloned().collect()
        });
        let count = |told: &Told| told.fields["refused"].parse().expect("it is a number");
        let counts: Vec<u64> = events.iter().map(count).collect();
        assert_eq!(counts.first(), Some(&1), "{counts:?} on {backend}");
        assert!(counts.iter().sum::<u64>() <= 50, "{counts:?}");
        assert!(counts.len() as u64 <= 1 + start.elapsed().as_secs());
        assert_eq!(events[0].level, Level::WARN);
        assert_eq!(events[0].fields["name"], format!("refused on {backend}"));
        assert!(events[0].parent.is_some(), "it is in the job's span");
        drop(release);
    }
}
