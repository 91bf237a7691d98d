//! Where and on what code a run was measured: machine, compiler, commit. It does not identify the
//! machine's owner.

use std::fs;
use std::num::NonZero;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::root;

/// The text for what the system does not report.
const UNKNOWN: &str = "unknown";

/// Everything that affects figures except the code of a contestant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Environment {
    /// When the run began, in universal time.
    pub(crate) began: String,
    /// The commit, with `, changed` after it if files differed from it.
    pub(crate) commit: String,
    pub(crate) rustc: String,
    pub(crate) cpu: String,
    /// The parallelism that the system grants.
    pub(crate) cores: usize,
    pub(crate) memory: String,
    pub(crate) kernel: String,
    pub(crate) allocator: String,
    /// Whether the samples were small ones, which show that everything works but measure little.
    pub(crate) quick: bool,
    /// The load of the last minute when the run began and when it ended: other work on the machine
    /// is noise.
    pub(crate) load: [Option<f64>; 2],
    /// What moving a cache line between two cores cost while the machine was steady, in
    /// nanoseconds, if that was watched.
    #[serde(default)]
    pub(crate) line_ns: Option<f64>,
    /// How many samples were taken while it cost more.
    #[serde(default)]
    pub(crate) unsteady: usize,
    /// How often a sample was taken again, since the machine stalled during it.
    #[serde(default)]
    pub(crate) retaken: usize,
    /// How many samples count although it stalled each time.
    #[serde(default)]
    pub(crate) stalled: usize,
}

impl Environment {
    /// The environment of a run that begins now.
    pub(crate) fn now(quick: bool) -> Self {
        let cpu = field("/proc/cpuinfo", "model name")
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        Self {
            began: said("date", &["-u", "+%Y-%m-%d %H:%M"]),
            commit: commit(),
            rustc: rustc(),
            cpu,
            cores: thread::available_parallelism().map_or(1, NonZero::get),
            memory: field("/proc/meminfo", "MemTotal")
                .map_or(UNKNOWN.to_owned(), |it| gibibytes(&it)),
            kernel: said("uname", &["-s", "-r"]),
            allocator: "the system's".to_owned(),
            quick,
            load: [load(), None],
            line_ns: None,
            unsteady: 0,
            retaken: 0,
            stalled: 0,
        }
    }

    /// The load at the start, if it takes a large part of the machine.
    pub(crate) fn other_work(&self) -> Option<f64> {
        const PART: f64 = 0.3;
        #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
        let most = self.cores as f64 * PART;
        self.load[0].filter(|&load| load > most)
    }

    /// Records the load at the end.
    pub(crate) fn ended(&mut self) {
        self.load[1] = load();
    }

    /// What moving a line costs, and how steady the machine was.
    fn line(&self) -> String {
        let Some(line_ns) = self.line_ns else {
            return UNKNOWN.to_owned();
        };
        match self.unsteady {
            0 => format!("{line_ns:.0} ns throughout"),
            unsteady => format!("{line_ns:.0} ns, and more during {unsteady} samples"),
        }
    }

    /// What a reader sees: labels and texts.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let load = self
            .load
            .map(|it| it.map_or(UNKNOWN.to_owned(), |load| format!("{load:.2}")));
        vec![
            ("began", format!("{} UTC", self.began)),
            ("commit", self.commit.clone()),
            ("compiler", self.rustc.clone()),
            (
                "processor",
                format!("{}, {} granted in parallel", self.cpu, self.cores),
            ),
            ("memory", self.memory.clone()),
            ("kernel", self.kernel.clone()),
            ("allocator", self.allocator.clone()),
            (
                "load at start and end",
                format!("{} and {}", load[0], load[1]),
            ),
            ("a cache line between two cores", self.line()),
            (
                "stalls of the machine",
                format!(
                    "{} samples taken again, {} stalled each time",
                    self.retaken, self.stalled
                ),
            ),
        ]
    }
}

/// The compiler that builds the benches.
pub(crate) fn rustc() -> String {
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    said(&compiler, &["--version"])
}

fn commit() -> String {
    let commit = said("git", &["rev-parse", "HEAD"]);
    let changes = said("git", &["status", "--porcelain"]);
    let is_clean = commit == UNKNOWN || changes == UNKNOWN;
    if is_clean {
        commit
    } else {
        format!("{commit}, changed")
    }
}

/// The load of the last minute.
fn load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// The one line that a command prints, run in the root of the workspace.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output();
    let text = output
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.filter(|text| !text.is_empty())
        .unwrap_or_else(|| UNKNOWN.to_owned())
}

/// The first value of a field in a file of `name : value` lines.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    value(&text, name)
}

fn value(text: &str, name: &str) -> Option<String> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(it, _)| it.trim() == name)?;
    Some(value.trim().to_owned())
}

/// Formats the system's count of kibibytes for readers.
fn gibibytes(text: &str) -> String {
    let number = text
        .split_whitespace()
        .next()
        .and_then(|it| it.parse::<f64>().ok());
    number.map_or(UNKNOWN.to_owned(), |it| {
        format!("{:.1} GiB", it / 1024.0 / 1024.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text =
            "processor\t: 0\nmodel\t\t: 85\nmodel name\t: A Fast One\nmodel name\t: Another\n";
        assert_eq!(value(text, "model name").as_deref(), Some("A Fast One"));
        assert_eq!(value(text, "mod"), None);
    }

    #[test]
    fn memory_is_told_in_gibibytes() {
        assert_eq!(gibibytes("8388608 kB"), "8.0 GiB");
        assert_eq!(gibibytes("much"), UNKNOWN);
    }

    #[test]
    fn a_loaded_machine_is_told_from_an_idle_one() {
        let mut environment = Environment::now(false);
        environment.cores = 4;
        environment.load[0] = Some(1.0);
        assert_eq!(environment.other_work(), None);
        environment.load[0] = Some(2.0);
        assert_eq!(environment.other_work(), Some(2.0));
    }

    #[test]
    fn a_command_that_does_not_exist_says_unknown() {
        assert_eq!(said("no-such-command-here", &[]), UNKNOWN);
    }
}
