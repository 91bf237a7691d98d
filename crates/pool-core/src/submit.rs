//! The ways into a pool: submissions, maps, scopes and joins, and how they wait for room.

pub(crate) mod error;
pub(crate) mod executor;
pub(crate) mod join;
pub(crate) mod map;
pub(crate) mod room;
pub(crate) mod scope;
pub(crate) mod scoped_closure;
mod ways_in;
