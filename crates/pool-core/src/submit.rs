//! The ways into a pool: submissions, maps, scopes and joins, and how they wait for room.

pub(crate) mod error;
pub(crate) mod executor;
pub(crate) mod join;
pub(crate) mod lent_closure;
pub(crate) mod map;
pub(crate) mod room;
pub(crate) mod scope;
mod ways_in;
