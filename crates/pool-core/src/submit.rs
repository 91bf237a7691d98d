//! The ways into a pool: submissions, maps, scopes and joins, and how they wait for room.
//!
//! # Parts
//! A submission goes through `executor` (the methods), `executor/into_task` (its task),
//! `executor/admit` (one try), `room/admission` (the wait for a place, in `room/line`), and
//! `pool/lifecycle/intake` (the ledger). `map`, `scope` and `join` submit many. `broadcast`
//! submits one job for each worker, past the queue (`pool/lifecycle/pinned`). `refusals` counts the
//! jobs that come back.

pub(crate) mod broadcast;
pub(crate) mod delayed;
pub(crate) mod error;
pub(crate) mod executor;
mod inherent_methods;
pub(crate) mod join;
pub(crate) mod map;
pub(crate) mod refusals;
pub(crate) mod room;
pub(crate) mod scope;
pub(crate) mod scoped_closure;
