//! Names of Rust for flags, variations and members of JSON objects.

use std::collections::HashMap;

use crate::failure::Failure;

/// Words that cannot be names, not even with `r#`.
const NEVER_NAMES: [&str; 6] = ["self", "Self", "super", "crate", "_", ""];

/// The keywords of all editions, and those that are reserved.
const KEYWORDS: [&str; 49] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield", "union",
];

/// How words are joined into a name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Case {
    /// `new_checkout_flow`
    Snake,
    /// `NewCheckoutFlow`
    Camel,
}

/// Returns a name for each text, all different and none of them reserved. A name depends only on its
/// own text and on the texts that would get the same name, and not on their order, so that two flags
/// never exchange their names.
///
/// # Errors
///
/// If two texts have the same name even with each of their characters spelled out.
pub(super) fn unique(
    texts: &[&str],
    case: Case,
    reserved: &[&str],
) -> Result<Vec<String>, Failure> {
    let plain: Vec<String> = texts.iter().map(|text| plain(text, case)).collect();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for name in &plain {
        *uses.entry(name).or_default() += 1;
    }
    let is_free = |name: &str| {
        uses.get(name) == Some(&1) && !reserved.contains(&name) && !NEVER_NAMES.contains(&name)
    };
    let names: Vec<String> = texts
        .iter()
        .zip(&plain)
        .map(|(text, name)| if is_free(name) { name.clone() } else { spelled_out(text, case) })
        .collect();
    let mut taken: HashMap<&str, &str> = HashMap::new();
    for (text, name) in texts.iter().zip(&names) {
        if let Some(other) = taken.insert(name, text) {
            return Err(Failure::Other(format!(
                "`{other}` and `{text}` would both be named `{name}`"
            )));
        }
    }
    Ok(names)
}

/// Returns a name as it is written in code: a keyword gets `r#`.
pub(super) fn code(name: &str) -> String {
    if KEYWORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
}

/// Returns the words of a text as a name.
fn plain(text: &str, case: Case) -> String {
    join(&words(text), case)
}

/// Returns a name in which each character that is not a small letter or a digit is a number, such as
/// `flag_a_2d_b` for `a-b`.
fn spelled_out(text: &str, case: Case) -> String {
    let mut words = vec!["flag".to_owned(), String::new()];
    for c in text.chars() {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            if let Some(word) = words.last_mut() {
                word.push(c);
            }
        } else {
            words.push(format!("{:x}", u32::from(c)));
            words.push(String::new());
        }
    }
    words.retain(|word| !word.is_empty());
    join(&words, case)
}

fn join(words: &[String], case: Case) -> String {
    let name = match case {
        Case::Snake => words.join("_"),
        Case::Camel => words.iter().map(|word| capitalized(word)).collect(),
    };
    match (name.starts_with(|c: char| c.is_ascii_digit()), case) {
        (false, _) => name,
        (true, Case::Snake) => format!("_{name}"),
        (true, Case::Camel) => format!("V{name}"),
    }
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    let first = characters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// Returns the words of a text in small letters. A word ends at each character that is not an ASCII
/// letter or digit, and before a capital: `newCheckout` and `HTTPServer` have two each.
fn words(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut words = vec![String::new()];
    for (position, c) in characters.iter().enumerate() {
        let before = position.checked_sub(1).and_then(|before| characters.get(before));
        let after = characters.get(position + 1);
        let begins = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                let inside = before.is_ascii_lowercase() || before.is_ascii_digit();
                let last_capital = before.is_ascii_uppercase()
                    && after.is_some_and(|after| after.is_ascii_lowercase());
                inside || last_capital
            });
        if begins || !c.is_ascii_alphanumeric() {
            words.push(String::new());
        }
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str], case: Case) -> Vec<String> {
        unique(texts, case, &["list", "String"]).unwrap()
    }

    #[test]
    fn words_become_names() {
        for (text, snake, camel) in [
            ("new-checkout-flow", "new_checkout_flow", "NewCheckoutFlow"),
            ("newCheckoutFlow", "new_checkout_flow", "NewCheckoutFlow"),
            ("HTTPServer", "http_server", "HttpServer"),
            ("release 4.1", "release_4_1", "Release41"),
            ("--a__b--", "a_b", "AB"),
            ("2fa", "_2fa", "V2fa"),
            ("größe", "gr_e", "GrE"),
            ("日本", "flag_65e5_672c", "Flag65e5672c"),
            ("", "flag", "Flag"),
            ("self", "flag_self", "FlagSelf"),
            ("list", "flag_list", "List"),
            ("string", "string", "FlagString"),
        ] {
            assert_eq!(names(&[text], Case::Snake), [snake], "{text}");
            assert_eq!(names(&[text], Case::Camel), [camel], "{text}");
        }
        assert_eq!(code("type"), "r#type");
        assert_eq!(code("kind"), "kind");
    }

    /// Otherwise, the order of the flags would decide which one a program asks for.
    #[test]
    fn equal_names_are_spelled_out_in_any_order() {
        let there = names(&["a-b", "a_b", "A.b", "c"], Case::Snake);
        assert_eq!(there, ["flag_a_2d_b", "flag_a_5f_b", "flag_41_2e_b", "c"]);
        assert_eq!(
            names(&["c", "A.b", "a_b", "a-b"], Case::Snake),
            ["c", "flag_41_2e_b", "flag_a_5f_b", "flag_a_2d_b"]
        );
        assert_eq!(names(&["a1", "a-1"], Case::Camel), ["FlagA1", "FlagA2d1"]);
    }

    #[test]
    fn names_that_stay_equal_are_refused() {
        let error = unique(&["a-b", "a_b", "flag-a-2d-b"], Case::Snake, &[]).unwrap_err();
        assert_eq!(error.to_string(), "`a-b` and `flag-a-2d-b` would both be named `flag_a_2d_b`");
    }
}
