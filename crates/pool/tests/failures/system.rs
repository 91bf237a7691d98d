//! System calls for the tests: limits on memory, a fork, the threads of this process.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Seconds that a forked child has to end; after that, a signal ends it.
const FORKED_SECONDS: u32 = 20;

/// Forks, runs `body` in the child, and waits for the child. True if the child ended by itself,
/// without a panic.
pub(crate) fn survives_a_fork(body: impl FnOnce()) -> bool {
    // SAFETY: the child uses only what glibc makes safe after a fork of many threads (its
    // allocator), and what the pool promises to be safe.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "the system refused a fork");
    if child == 0 {
        // SAFETY: it takes a number.
        unsafe { libc::alarm(FORKED_SECONDS) };
        let is_fine = catch_unwind(AssertUnwindSafe(body)).is_ok();
        // Not by the standard library's `exit`, which takes a lock that a thread holds when it
        // starts and ends. SAFETY: it takes a number, and does not return.
        unsafe { libc::_exit(if is_fine { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: `status` is valid for the child's status.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child, "it is our child");
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}

/// Forks, and returns in both: `None` in the child; in the parent, the exit code of the child once
/// it has ended.
pub(crate) fn fork_and_go_on() -> Option<libc::c_int> {
    // SAFETY: as in `survives_a_fork`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "the system refused a fork");
    if child == 0 {
        // SAFETY: it takes a number.
        unsafe { libc::alarm(FORKED_SECONDS) };
        return None;
    }
    let mut status = 0;
    // SAFETY: `status` is valid for the child's status.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child, "it is our child");
    assert!(
        libc::WIFEXITED(status),
        "the child ended by a signal: it hung"
    );
    Some(libc::WEXITSTATUS(status))
}

/// Ends the process here and now if it is not `process`.
pub(crate) fn exit_unless(process: u32, code: libc::c_int) {
    if std::process::id() != process {
        // SAFETY: it takes a number, and does not return.
        unsafe { libc::_exit(code) };
    }
}

/// Lets the process address at most this many bytes more than it does now. Larger requests are
/// refused.
pub(crate) fn limit_memory(more_bytes: u64) {
    set_memory_limit(address_space() + more_bytes);
}

/// Takes the limit away again.
pub(crate) fn unlimit_memory() {
    set_memory_limit(libc::RLIM_INFINITY);
}

fn set_memory_limit(bytes: u64) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: this reads the limit, and sets a soft limit of this process.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) };
    assert_eq!(set, 0, "a soft limit can be set");
}

/// Bytes of address space that the process has.
pub(crate) fn address_space() -> u64 {
    in_status("/proc/self/status", "VmSize:") << 10
}

/// The most bytes of memory that the process has held.
pub(crate) fn most_resident() -> u64 {
    in_status("/proc/self/status", "VmHWM:") << 10
}

/// The number after `label` in a status file.
pub(crate) fn in_status(file: &str, label: &str) -> u64 {
    let status = fs::read_to_string(file).expect("the system tells it");
    let line = status.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no {label} in {file}"))
}

/// How many threads the process has.
pub(crate) fn threads() -> usize {
    fs::read_dir("/proc/self/task")
        .expect("the system lists threads")
        .count()
}
