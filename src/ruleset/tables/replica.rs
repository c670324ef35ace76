//! `Replica`: what the threads of one shard share of a ruleset, in one of its two forms.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::{Flag, Tables};
use crate::ruleset::error::RulesetError;

/// A ruleset behind a second reference count.
///
/// Threads with separate replicas do not write to the same cache line when they clone and drop
/// results. Cache lines are fetched in pairs, hence 128 bytes.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) enum Replica {
    Compiled(Arc<Tables>),
    Lazy(Arc<dyn LazyTables>),
}

/// A ruleset whose flags are compiled when they are first used. A trait, so that the linker drops
/// the implementation from programs that have no such ruleset.
pub(crate) trait LazyTables: fmt::Debug + Send + Sync + UnwindSafe + RefUnwindSafe {
    /// Returns a flag, and compiles it if necessary.
    fn find(&self, key: &str) -> Option<Found<'_>>;

    /// Returns a flag if it is compiled. Takes little time, and never waits.
    fn find_compiled(&self, key: &str) -> Result<Option<Found<'_>>, Long>;

    /// Returns the flag at the position of a `Found`.
    fn flag(&self, position: u32) -> Option<&Flag>;

    /// Calls a function with the key of each flag in the text, of all environments.
    fn for_each_key(&self, each: &mut dyn FnMut(&str));

    /// Returns the ruleset with all flags compiled, and compiles them if necessary; without flags if
    /// that fails.
    fn whole(&self) -> &Arc<Replica>;

    /// Returns why compiling all flags failed, or `None`.
    fn failure(&self) -> Option<&RulesetError>;
}

/// An operation may take long.
#[derive(Debug)]
pub(crate) struct Long;

/// A flag that was found by its key.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    /// The tables that the flag refers to.
    pub(crate) tables: &'a Tables,
    pub(crate) flag: &'a Flag,
    /// Its position in the replica.
    pub(crate) position: u32,
}

impl Tables {
    #[inline]
    fn find(&self, key: &str) -> Option<Found<'_>> {
        let position = self.position(key)?;
        Some(Found { tables: self, flag: self.flag(position)?, position })
    }
}

impl Replica {
    /// Returns a flag, and compiles it if necessary.
    #[inline]
    pub(crate) fn find(&self, key: &str) -> Option<Found<'_>> {
        match self {
            Replica::Compiled(tables) => tables.find(key),
            Replica::Lazy(lazy) => lazy.find(key),
        }
    }

    /// Returns a flag if it is compiled and its evaluation is short.
    #[inline]
    pub(crate) fn find_short(&self, key: &str) -> Result<Option<Found<'_>>, Long> {
        let found = match self {
            Replica::Compiled(tables) => tables.find(key),
            Replica::Lazy(lazy) => lazy.find_compiled(key)?,
        };
        if found.is_some_and(|found| !found.flag.short) {
            return Err(Long);
        }
        Ok(found)
    }

    /// Returns the flag at the position of a `Found`.
    pub(crate) fn flag(&self, position: u32) -> Option<&Flag> {
        match self {
            Replica::Compiled(tables) => tables.flag(position),
            Replica::Lazy(lazy) => lazy.flag(position),
        }
    }

    /// Returns the tables of all flags, and compiles them if necessary.
    pub(crate) fn tables(&self) -> &Arc<Tables> {
        match self {
            Replica::Compiled(tables) => tables,
            Replica::Lazy(lazy) => lazy.whole().tables(),
        }
    }

    /// Returns a replica with a separate reference count.
    pub(crate) fn separate(&self) -> Replica {
        match self {
            Replica::Compiled(tables) => Replica::Compiled(tables.clone()),
            Replica::Lazy(lazy) => Replica::Lazy(lazy.clone()),
        }
    }

    /// Returns whether other replicas share the rules.
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            Replica::Compiled(tables) => Arc::strong_count(tables) > 1,
            Replica::Lazy(lazy) => Arc::strong_count(lazy) > 1,
        }
    }
}
