//! Tables: aligned and within the width on a terminal, separated by tabs elsewhere.

use std::iter;

use super::look::{Colour, Look};
use super::text::{cut, escape_line, width};
use crate::failure::{Failure, Status};

/// The length of a bar of 100 % in cells, if there is room.
const BAR_LENGTH: usize = 40;

/// The space between two columns.
const GAP: usize = 2;

/// A cell of a table.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Text(String, Colour),
    /// A bar whose length is `part` of `total`.
    Bar {
        part: u64,
        total: u64,
    },
}

impl From<(String, Colour)> for Cell {
    fn from((text, colour): (String, Colour)) -> Cell {
        // A control character could end the row.
        Cell::Text(escape_line(text), colour)
    }
}

impl Cell {
    /// Returns the width in cells that shows everything.
    fn width(&self) -> usize {
        match self {
            Cell::Text(text, _) => width(text),
            Cell::Bar { .. } => BAR_LENGTH,
        }
    }

    /// Returns the text of the cell in a width, and its colour.
    fn fitted(&self, limit: usize) -> (String, Colour) {
        match self {
            Cell::Text(text, colour) => (cut(text, limit), *colour),
            Cell::Bar { part, total } => {
                let length = rounded(part.saturating_mul(limit as u64), *total);
                ("█".repeat(limit.min(length as usize)), Colour::Good)
            }
        }
    }
}

/// Divides to the nearest integer. A division by 0 returns 0.
pub(crate) fn rounded(number: u64, divisor: u64) -> u64 {
    number.saturating_add(divisor / 2).checked_div(divisor).unwrap_or_default()
}

/// Rows of cells: aligned under a header on a terminal, separated by tabs without a header elsewhere.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(header: &[&'static str]) -> Table {
        Table { header: header.to_vec(), rows: Vec::new() }
    }

    /// Adds a row. Control characters are escaped.
    pub(crate) fn add(&mut self, cells: impl IntoIterator<Item = impl Into<Cell>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(crate) fn print(&self) -> Result<Status, Failure> {
        super::print(self.render(Look::of_stdout()))
    }

    fn render(&self, look: Look) -> String {
        let mut text = String::new();
        if !look.is_terminal() {
            for row in &self.rows {
                let painted = row.iter().map(|cell| {
                    let (cell, colour) = cell.fitted(cell.width());
                    look.paint(colour, &cell)
                });
                text += &painted.collect::<Vec<_>>().join("\t");
                text += "\n";
            }
            return text;
        }
        let header: Vec<Cell> = self
            .header
            .iter()
            .map(|name| Cell::Text(name.to_ascii_uppercase(), Colour::Faint))
            .collect();
        let rows = || iter::once(&header).chain(&self.rows);
        let mut widths = vec![0; header.len()];
        for row in rows() {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = cell.width().max(*widest);
            }
        }
        let limit = look.width().unwrap_or(usize::MAX);
        fit(&mut widths, limit.saturating_sub(GAP * header.len().saturating_sub(1)));
        for row in rows() {
            align(&mut text, row, &widths, limit, look);
        }
        text
    }
}

/// Makes columns narrower until they fit, the widest first, as long as there is a cell for each.
fn fit(widths: &mut [usize], room: usize) {
    let widest = widths.iter().copied().max().unwrap_or_default();
    let sum = |limit: usize| widths.iter().map(|width| limit.min(*width)).sum::<usize>();
    // The largest limit with which the columns fit, by bisection.
    let (mut limit, mut too_large) = (0, widest + 1);
    while limit + 1 < too_large {
        let middle = limit + (too_large - limit) / 2;
        match sum(middle) <= room {
            true => limit = middle,
            false => too_large = middle,
        }
    }
    let mut rest = room.saturating_sub(sum(limit));
    for width in widths.iter_mut().filter(|width| **width > limit) {
        *width = (limit + usize::from(rest > 0)).max(1);
        rest = rest.saturating_sub(1);
    }
}

/// Writes a row. Columns for which a line has no room are left out.
fn align(text: &mut String, row: &[Cell], widths: &[usize], limit: usize, look: Look) {
    let (mut used, mut gap) = (0, 0);
    for (cell, column) in row.iter().zip(widths) {
        let (cell, colour) = cell.fitted(*column);
        let length = width(&cell);
        if used + gap + length > limit {
            break;
        }
        if length > 0 {
            text.extend(iter::repeat_n(' ', gap));
            *text += &look.paint(colour, &cell);
            used += gap + length;
            gap = 0;
        }
        gap += column - length.min(*column) + GAP;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["key", "state"]);
        table.add([("a-flag".to_owned(), Colour::None), ("on".to_owned(), Colour::Good)]);
        table.add([("b\tc\x1b".to_owned(), Colour::None), ("off".to_owned(), Colour::None)]);
        table
    }

    fn render(terminal: bool, colours: bool, width: Option<usize>) -> String {
        table().render(Look::new(terminal, colours, width))
    }

    #[test]
    fn a_pipe_gets_tabs() {
        assert_eq!(render(false, false, None), "a-flag\ton\nb\\tc\\u{1b}\toff\n");
        assert_eq!(render(false, true, None), "a-flag\t\x1b[32mon\x1b[0m\nb\\tc\\u{1b}\toff\n");
    }

    #[test]
    fn a_terminal_gets_columns() {
        assert_eq!(
            render(true, false, None),
            "KEY         STATE\na-flag      on\nb\\tc\\u{1b}  off\n"
        );
    }

    #[test]
    fn a_terminal_gets_colours() {
        let text = render(true, true, None);
        assert!(text.contains("a-flag      \x1b[32mon\x1b[0m\n"), "{text:?}");
        assert!(text.starts_with("\x1b[2mKEY\x1b[0m "), "{text:?}");
        assert!(text.ends_with("  off\n"), "{text:?}");
    }

    #[test]
    fn the_widest_column_gives_way_first() {
        assert_eq!(
            render(true, false, Some(16)),
            "KEY        STATE\na-flag     on\nb\\tc\\u{1…  off\n"
        );
        for (widths, room, expected) in [
            ([3, 10, 5], 18, [3, 10, 5]),
            ([3, 10, 5], 17, [3, 9, 5]),
            ([3, 10, 5], 12, [3, 5, 4]),
            ([3, 10, 5], 6, [2, 2, 2]),
            ([3, 10, 5], 4, [2, 1, 1]),
            ([3, 10, 5], 0, [1, 1, 1]),
            ([0, 0, 0], 0, [0, 0, 0]),
            ([0, 9, 9], 9, [0, 5, 4]),
        ] {
            let mut fitted = widths;
            fit(&mut fitted, room);
            assert_eq!(fitted, expected, "{widths:?} in {room}");
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for limit in 0..30 {
            let text = render(true, false, Some(limit));
            assert!(text.lines().all(|line| width(line) <= limit), "{limit}: {text}");
            assert_eq!(text.lines().count(), 3, "{limit}");
        }
    }

    #[test]
    fn a_bar_has_the_room_that_is_there() {
        let mut table = Table::new(&["key", "bar"]);
        table.add([Cell::from(("a".to_owned(), Colour::None)), Cell::Bar { part: 1, total: 4 }]);
        table.add([Cell::from(("b".to_owned(), Colour::None)), Cell::Bar { part: 4, total: 4 }]);
        table.add([Cell::from(("c".to_owned(), Colour::None)), Cell::Bar { part: 0, total: 0 }]);
        let render = |terminal, width| table.render(Look::new(terminal, false, width));
        let bar = |length| "█".repeat(length);
        assert_eq!(render(false, None), format!("a\t{}\nb\t{}\nc\t\n", bar(10), bar(40)));
        let all = format!("KEY  BAR\na    {}\nb    {}\nc\n", bar(10), bar(40));
        assert_eq!(render(true, Some(80)), all);
        let narrow = format!("KEY  BAR\na    {}\nb    {}\nc\n", bar(4), bar(15));
        assert_eq!(render(true, Some(20)), narrow);
    }

    #[test]
    fn wide_characters_align() {
        let mut table = Table::new(&["key", "state"]);
        for key in ["旗帜", "🚀", "e\u{301}te\u{301}"] {
            table.add([(key.to_owned(), Colour::None), ("on".to_owned(), Colour::None)]);
        }
        assert_eq!(
            table.render(Look::new(true, false, None)),
            "KEY   STATE\n旗帜  on\n🚀    on\ne\u{301}te\u{301}   on\n"
        );
        assert_eq!(
            table.render(Look::new(true, false, Some(7))),
            "KEY  S…\n旗…  on\n🚀   on\ne\u{301}te\u{301}  on\n"
        );
    }
}
