//! Flags that the same environment variable overrides.

use std::fmt::Display;

use crate::ruleset::tables::{Tables, TextMap, excerpt};
use crate::ruleset::variable::variable_of;

/// Reports each flag that has the variable of an earlier one, with its position.
pub(super) fn shared_variables(tables: &Tables, mut report: impl FnMut(usize, &dyn Display)) {
    let mut first: TextMap<&str> = TextMap::default();
    for (position, flag) in tables.flags.iter().enumerate() {
        let name = variable_of(&flag.key);
        match first.get(&name) {
            None => {
                first.insert(name.into(), &flag.key);
            }
            Some(other) => {
                let (name, other) = (excerpt(&name), excerpt(other));
                report(
                    position,
                    &format_args!(
                        "the environment variable `{name}` overrides this flag and `{other}`"
                    ),
                );
            }
        }
    }
}
