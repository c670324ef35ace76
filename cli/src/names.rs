//! Names, found by hashing.

use std::collections::HashMap;

/// The position of each name. One type for all tables, since the code of each further one takes about
/// 4 kB of the binary.
pub(crate) type Names = HashMap<String, usize>;

/// Returns the positions of names. Of equal names, the last one counts.
pub(crate) fn positions<'a>(names: impl IntoIterator<Item = &'a str>) -> Names {
    let mut positions = Names::new();
    let mut next = 0;
    names.into_iter().for_each(|name| {
        positions.insert(name.to_owned(), next);
        next += 1;
    });
    positions
}
