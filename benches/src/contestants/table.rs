//! The table of all who take part, in the order of the reports.

use pool::Backend;

#[cfg(feature = "peers")]
use super::hand_written::{Crossbeam, MutexMpsc};
#[cfg(feature = "peers")]
use super::libraries::{RayonSpawn, Threadpool};
use super::ours::Ours;
use super::row::Row;
use crate::entry::Kind;
use crate::setup::Face;

/// What a contestant from outside does, where it is compiled in.
#[cfg(feature = "peers")]
macro_rules! peer {
    ($play:expr) => {
        $play
    };
}

/// What a contestant from outside does where it is not.
#[cfg(not(feature = "peers"))]
macro_rules! peer {
    ($play:expr) => {
        |it| {
            anyhow::bail!(
                "`{}` is not compiled in: enable the feature `peers`",
                it.entry
            )
        }
    };
}

/// All who take part.
pub(crate) const TABLE: &[Row] = &[
    Row::new("channel", Kind::Ours, "`Pool` on its `channel` backend.")
        .bounded()
        .survives_panics()
        .on(Face::Jobs, |it| it.jobs(Ours::build(Backend::Channel, it)?)),
    Row::new("work-stealing", Kind::Ours, "`Pool` on its `work-stealing` backend.")
        .bounded()
        .survives_panics()
        .on(Face::Jobs, |it| it.jobs(Ours::build(Backend::WorkStealing, it)?)),
    Row::new("rayon", Kind::Ours, "`Pool` on its `rayon` backend.")
        .bounded()
        .survives_panics()
        .on(Face::Jobs, |it| it.jobs(Ours::build(Backend::Rayon, it)?)),
    Row::new("async", Kind::Ours, "`Pool` on its `async` backend.")
        .bounded()
        .survives_panics()
        .on(Face::Jobs, |it| it.jobs(Ours::build(Backend::Async, it)?)),
    Row::new("peer-rayon", Kind::Library, "rayon 1: `ThreadPool::spawn`; a channel for a result.")
        .survives_panics()
        .on(Face::Jobs, peer!(|it| it.jobs(RayonSpawn::build(it)?))),
    Row::new("peer-threadpool", Kind::Library, "threadpool 1.8: `execute`; a channel for a result.")
        .survives_panics()
        .on(Face::Jobs, peer!(|it| it.jobs(Threadpool::build(it)))),
    Row::new("peer-crossbeam", Kind::HandWritten, "Threads on a bounded `crossbeam_channel` of boxed closures.")
        .bounded()
        .on(Face::Jobs, peer!(|it| it.jobs(Crossbeam::build(it)?))),
    Row::new("peer-mpsc", Kind::HandWritten, "Threads that take turns at a `std::sync::mpsc` receiver behind a mutex, as in the Rust book.")
        .on(Face::Jobs, peer!(|it| it.jobs(MutexMpsc::build(it)?))),
];
