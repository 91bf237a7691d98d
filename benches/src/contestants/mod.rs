//! Who takes part: the table, and what each of them is made of.

#[cfg(feature = "peers")]
mod hand_written;
#[cfg(feature = "peers")]
mod libraries;
mod ours;
mod row;
mod table;

pub(crate) use row::Row;
pub(crate) use table::TABLE;
