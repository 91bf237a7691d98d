//! The watchdog: reports a program that hangs, with what each thread and job is doing and the
//! stacks of all threads.

use std::fs;
use std::process::{self, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::books::lock;
use super::world::World;

/// The exit status of a program that hangs.
const HUNG: i32 = 3;
/// Between two looks.
const MOMENT: Duration = Duration::from_millis(20);
/// The longest that a debugger may take.
const DEBUGGER: Duration = Duration::from_secs(25);

/// When a program started, and its world.
type Watched = (Instant, Arc<World>);

/// What the watchdog sees of the running program.
#[derive(Debug, Clone, Default)]
pub(super) struct Watchdog(Arc<Mutex<Option<Watched>>>);

impl Watchdog {
    /// Starts a watchdog that ends the process after `limit`, and prints the stacks first if
    /// `dumps`.
    pub(super) fn start(limit: Duration, dumps: bool) -> Self {
        let dog = Self::default();
        let seen = dog.clone();
        thread::spawn(move || {
            loop {
                thread::sleep(MOMENT);
                let watched = lock(&seen.0).clone();
                if let Some((start, world)) = watched
                    && start.elapsed() > limit
                {
                    bite(&world, limit, dumps);
                }
            }
        });
        dog
    }

    pub(super) fn watch(&self, world: &Arc<World>) {
        *lock(&self.0) = Some((Instant::now(), Arc::clone(world)));
    }

    pub(super) fn forget(&self) {
        let watched = lock(&self.0).take();
        drop(watched);
    }
}

fn bite(world: &World, limit: Duration, dumps: bool) -> ! {
    let class = world.class_of_hang();
    println!("finding {class}: the program has not ended within {limit:?}");
    for finding in world.books.findings() {
        println!("  before that: {}: {}", finding.class, finding.what);
    }
    for line in world.told() {
        println!("  {line}");
    }
    println!("the last events:");
    for event in world.books.last_events(40) {
        println!("  {event}");
    }
    if dumps {
        println!("{}", stacks());
    }
    process::exit(HUNG);
}

/// The stacks of all threads, by a debugger if there is one.
fn stacks() -> String {
    by_debugger().unwrap_or_else(|| {
        format!(
            "stacks: gdb is not installed; the threads, by /proc:\n{}",
            by_proc()
        )
    })
}

/// Its output goes to a file: this process is stopped while the debugger writes.
fn by_debugger() -> Option<String> {
    let path = std::env::temp_dir().join(format!("fuzz-stacks-{}", process::id()));
    let file = fs::File::create(&path).ok()?;
    let mut debugger = Command::new("gdb")
        .args(["-batch", "-nx", "-ex", "set pagination off"])
        .args(["-ex", "thread apply all bt 40", "-p"])
        .arg(process::id().to_string())
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let limit = Instant::now() + DEBUGGER;
    while debugger.try_wait().ok()?.is_none() {
        if Instant::now() > limit {
            debugger.kill().ok()?;
            debugger.wait().ok()?;
            break;
        }
        thread::sleep(MOMENT);
    }
    let told = fs::read_to_string(&path).ok()?;
    // It stays in the system's folder for temporary files.
    let _removed = fs::remove_file(&path);
    Some(format!("stacks, by gdb:\n{told}"))
}

fn by_proc() -> String {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
    let tell = |task: std::io::Result<fs::DirEntry>| {
        let path = task.ok()?.path();
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
        let (name, stat) = (read("comm"), read("stat"));
        let state = stat.rsplit(')').next().unwrap_or_default();
        let state: String = state.split_whitespace().take(1).collect();
        let waits = read("wchan");
        Some(format!("  {} {state} {waits}", name.trim()))
    };
    tasks.filter_map(tell).collect::<Vec<_>>().join("\n")
}
