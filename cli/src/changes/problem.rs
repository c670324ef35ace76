//! How the problems that the parser reports differ.

use phaseflag::Value;

use super::change::Change;
use super::condition::pair_up;

/// Adds the problems that are new or solved, each a path and a message. The positions in a path do
/// not count, since another rule may have moved them.
pub(super) fn compare(old: &[(&str, &str)], new: &[(&str, &str)], changes: &mut Vec<Change>) {
    let mut pairs = vec![None; new.len()];
    let mut unpaired = vec![true; old.len()];
    let name = |(path, message): &(&str, &str)| {
        let path: String = path.chars().filter(|c| !c.is_ascii_digit()).collect();
        Some(format!("{path}\n{message}"))
    };
    pair_up((old, new), name, &mut pairs, &mut unpaired);
    for ((path, message), _) in old.iter().zip(unpaired).filter(|(_, unpaired)| *unpaired) {
        let text = format!("problem solved: {}", text(path, message));
        changes.push(Change::new(*path, *message, Value::Null, text));
    }
    for ((path, message), _) in new.iter().zip(pairs).filter(|(_, pair)| pair.is_none()) {
        let text = format!("problem: {}", text(path, message));
        changes.push(Change::new(*path, Value::Null, *message, text));
    }
}

fn text(path: &str, message: &str) -> String {
    match path {
        "" => message.to_owned(),
        path => format!("{path}: {message}"),
    }
}
