//! Finds the keys of flags in source code.

use super::language::Language;
use super::shell::{self, Word};
use super::tokens::{Token, tokens};
use crate::COMMANDS;
use crate::args::Command;

/// Functions of clients whose first argument is a key: of this crate, of other clients of the service
/// and of OpenFeature.
const FUNCTIONS: [&str; 44] = [
    // Rust and Python.
    "get_boolean_value",
    "get_bool_value",
    "get_string_value",
    "get_number_value",
    "get_int_value",
    "get_integer_value",
    "get_float_value",
    "get_json_value",
    "get_struct_value",
    "get_object_value",
    "get_json_as",
    "get_json_as_serde",
    "get_variation",
    "get_boolean_details",
    "get_bool_details",
    "get_string_details",
    "get_number_details",
    "get_int_details",
    "get_integer_details",
    "get_float_details",
    "get_json_details",
    "get_struct_details",
    "get_object_details",
    "is_enabled",
    "override_scoped",
    // JavaScript and TypeScript.
    "getBooleanValue",
    "getStringValue",
    "getNumberValue",
    "getJsonValue",
    "getObjectValue",
    "getVariation",
    "getBooleanDetails",
    "getStringDetails",
    "getNumberDetails",
    "getJsonDetails",
    "getObjectDetails",
    "isEnabled",
    "variation",
    "useFlag",
    "useBooleanFlagValue",
    "useStringFlagValue",
    "useNumberFlagValue",
    "useObjectFlagValue",
    // Any of them.
    "evaluate",
];

/// Functions of clients that other libraries have, too. Their argument is a key only if it looks
/// like one.
const AMBIGUOUS: [&str; 4] = ["evaluate", "is_enabled", "isEnabled", "variation"];

/// Commands of `phaseflag` whose argument is a key.
const SHELL_COMMANDS: [&str; 3] = ["get", "explain", "split"];

/// How many tokens the type arguments of a call may have.
const MAX_TYPE_ARGUMENTS: usize = 64;

/// A text that may be the key of a flag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mention<'a> {
    pub(super) offset: usize,
    pub(super) text: &'a str,
    pub(super) kind: Kind,
}

/// How a text is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// As the key of a flag.
    Key,
    /// As any string.
    Text,
    /// As the name of a function that is called.
    Call,
}

/// Returns the mentions of a file in their order. `functions` are more functions whose first argument
/// is a key.
pub(super) fn mentions<'a>(
    text: &'a str,
    language: Language,
    functions: &[&str],
) -> Vec<Mention<'a>> {
    match language {
        Language::Shell => in_commands(text),
        _ => in_code(text, language, functions),
    }
}

fn in_code<'a>(text: &'a str, language: Language, functions: &[&str]) -> Vec<Mention<'a>> {
    let tokens = tokens(text, language);
    let mut found = Vec::new();
    let mut key_at = None;
    for (position, (offset, token)) in tokens.iter().enumerate() {
        match token {
            Token::Word(name) => {
                let after = tokens.get(position + 1..).unwrap_or_default();
                let Some(argument) = arguments(after) else { continue };
                found.push(Mention { offset: *offset, text: name, kind: Kind::Call });
                let is_known = FUNCTIONS.contains(name) || functions.contains(name);
                if let Some((offset, key)) = first_text(argument).filter(|_| is_known)
                    && (looks_like_key(key) || !AMBIGUOUS.contains(name))
                {
                    key_at = Some(offset);
                }
            }
            Token::Text(Some(text)) => {
                let kind = if key_at == Some(*offset) { Kind::Key } else { Kind::Text };
                found.push(Mention { offset: *offset, text, kind });
            }
            _ => {}
        }
    }
    found
}

type Tokens<'t, 'a> = &'t [(usize, Token<'a>)];

/// Returns the tokens after the parenthesis of a call; `None` if it is no call. Type arguments may
/// come before: `::<T>(` and `<T>(`.
fn arguments<'t, 'a>(after: Tokens<'t, 'a>) -> Option<Tokens<'t, 'a>> {
    let colons = after.iter().take(2).take_while(|(_, it)| *it == Token::Symbol(':')).count();
    let after = if colons == 2 { after.get(2..)? } else { after };
    match after.first()?.1 {
        Token::Symbol('(') if colons == 0 => after.get(1..),
        Token::Symbol('<') => {
            let mut depth = 0_usize;
            let limited = after.iter().take(MAX_TYPE_ARGUMENTS);
            let end = limited.enumerate().find_map(|(position, (_, token))| {
                match token {
                    Token::Symbol('<') => depth += 1,
                    Token::Symbol('>') => depth = depth.saturating_sub(1),
                    _ => {}
                }
                (depth == 0).then_some(position)
            })?;
            match after.get(end + 1)?.1 {
                Token::Symbol('(') => after.get(end + 2..),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Returns the first argument if it is a string and nothing else.
fn first_text<'a>(arguments: Tokens<'_, 'a>) -> Option<(usize, &'a str)> {
    let arguments = match arguments {
        // A keyword argument of Python.
        [(_, Token::Word("flag_key" | "key")), (_, Token::Symbol('=')), rest @ ..] => rest,
        [(_, Token::Symbol('&')), rest @ ..] => rest,
        all => all,
    };
    match arguments {
        [(offset, Token::Text(Some(text))), (_, Token::Symbol(',' | ')')), ..] => {
            Some((*offset, text))
        }
        _ => None,
    }
}

fn looks_like_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn in_commands(text: &str) -> Vec<Mention<'_>> {
    let mut found = Vec::new();
    for words in shell::commands(text) {
        let key = words
            .iter()
            .position(is_phaseflag)
            .and_then(|position| key_of_command(words.get(position + 1..).unwrap_or_default()));
        for word in &words {
            let Some(text) = word.text else { continue };
            if key.is_some_and(|key| key.offset == word.offset) {
                found.push(Mention { offset: word.offset, text, kind: Kind::Key });
            } else if word.is_value {
                found.push(Mention { offset: word.offset, text, kind: Kind::Text });
            }
        }
    }
    found.sort_by_key(|mention| mention.offset);
    found
}

fn is_phaseflag(word: &Word<'_>) -> bool {
    word.text.is_some_and(|text| text == "phaseflag" || text.ends_with("/phaseflag"))
}

/// Returns the key among the words after `phaseflag`.
fn key_of_command<'w, 'a>(words: &'w [Word<'a>]) -> Option<&'w Word<'a>> {
    let (name, words) = positional(words, None)?;
    let command = COMMANDS.iter().find(|command| Some(command.name) == name.text)?;
    match SHELL_COMMANDS.contains(&command.name) {
        true => positional(words, Some(command)).map(|(key, _)| key),
        false => None,
    }
}

/// Returns the first word that is neither an option nor its value, and the words after it.
fn positional<'w, 'a>(
    mut words: &'w [Word<'a>],
    command: Option<&Command>,
) -> Option<(&'w Word<'a>, &'w [Word<'a>])> {
    while let [word, rest @ ..] = words {
        words = rest;
        let Some(option) = word.text.filter(|text| text.starts_with('-') && text.len() > 1) else {
            return Some((word, rest));
        };
        let takes_value = option.ends_with('=') || {
            let commands = COMMANDS.iter();
            let mut specs = commands
                .filter(|it| command.is_none_or(|command| command.name == it.name))
                .flat_map(|command| command.option_specs());
            specs.any(|spec| {
                let short = spec.short.map(|short| format!("-{short}"));
                !spec.value.is_empty() && (spec.name == option || short.as_deref() == Some(option))
            })
        };
        if takes_value {
            words = rest.get(1..).unwrap_or_default();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the mentions of a text in short: keys in brackets, strings in quotes, calls plain.
    fn short(code: &str, language: Language) -> String {
        let mentions = mentions(code, language, &["flag_of"]);
        for mention in &mentions {
            assert!(code[mention.offset..].starts_with(mention.text), "{code}");
        }
        let text = |Mention { text, kind, .. }: &Mention<'_>| match kind {
            Kind::Key => format!("<{text}>"),
            Kind::Text => format!("'{text}'"),
            Kind::Call => (*text).to_owned(),
        };
        mentions.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    fn check(language: Language, cases: &[(&str, &str)]) {
        for (code, expected) in cases {
            assert_eq!(short(code, language), *expected, "{code}");
        }
    }

    #[test]
    fn rust() {
        check(
            Language::Rust,
            &[
                (r#"c.get_boolean_value("a", false, None)"#, "get_boolean_value <a>"),
                (r#"c.get_json_as::<Vec<Map<u8>>>("a", None)"#, "get_json_as <a>"),
                ("c.get_string_value(\n    \"a\",\n    x)", "get_string_value <a>"),
                (r###"c.get_boolean_value(r##"a"#b"##, x)"###, "get_boolean_value <a\"#b>"),
                (r#"c.get_boolean_value(&"a", x)"#, "get_boolean_value <a>"),
                (r#"c.get_boolean_value("a\n", x)"#, "get_boolean_value"),
                (r#"c.get_boolean_value(key("a"), x)"#, "get_boolean_value key 'a'"),
                (r#"c.get_boolean_value("a".trim(), x)"#, "get_boolean_value 'a' trim"),
                ("fn get_boolean_value(key: &str) {}", "get_boolean_value"),
                (r#"flag_of("a")"#, "flag_of <a>"),
                (r#"other("a"); const K: &str = "b";"#, "other 'a' 'b'"),
                (
                    r#"evaluate("a-b_c9", x); evaluate("1 + 1", x)"#,
                    "evaluate <a-b_c9> evaluate '1 + 1'",
                ),
                ("// \"a\"\n/* \"b\" /* */ \"c\" */ \"d\"", "'d'"),
                (r#"let c = '"'; let d = '\''; x::<'a>("e")"#, "x 'e'"),
                (r#"'\u{22}' "a" b'"' "b""#, "'a' 'b'"),
                (r##"b"a" c"b" br"c" "d"##, "'a' 'b' 'c'"),
                ("flags::ui_theme(&client, None)", "ui_theme"),
                ("\"a\nb\" \"c\"", "'a\nb' 'c'"),
                ("/* open", ""),
                ("flags::r#type(x)", "type"),
            ],
        );
    }

    #[test]
    fn python() {
        check(
            Language::Python,
            &[
                ("c.get_boolean_value('a', False)", "get_boolean_value <a>"),
                ("c.get_boolean_value(flag_key='a', default=1)", "get_boolean_value <a>"),
                ("c.get_boolean_value(f'a{x}')", "get_boolean_value"),
                ("c.get_boolean_value(f'a')", "get_boolean_value <a>"),
                ("c.get_boolean_value(\"\"\"a\"\"\")", "get_boolean_value <a>"),
                ("# 'a'\nx = 'b' # 'c'", "'b'"),
                ("\"\"\"it's\n# no\"\"\" 'a'", "'it's\n# no' 'a'"),
                ("x = 'don\nt' 'a'", "' '"),
                ("rb'a' R'b' u'c'", "'a' 'b' 'c'"),
                (r"'it\'s' 'a'", "'a'"),
                ("c.variation('a') or c.variation('a b')", "variation <a> variation 'a b'"),
            ],
        );
    }

    #[test]
    fn javascript() {
        check(
            Language::JavaScript,
            &[
                ("c.getBooleanValue('a', false)", "getBooleanValue <a>"),
                ("c.isEnabled(`a`)", "isEnabled <a>"),
                ("useFlag<boolean>('a', x)", "useFlag <a>"),
                ("c.isEnabled(`a-${b}`)", "isEnabled"),
                ("c.isEnabled('a' + b)", "isEnabled 'a'"),
                ("`${f({a: `${'b'}`})}` 'c'", "f 'b' 'c'"),
                ("x = /['\"`]/g; 'a'", "'a'"),
                ("x = /[/'\"]/; y = a / b / 'c'", "'c'"),
                ("return /'/.test(x) && 'a'", "test 'a'"),
                ("<p>Don't {f('a')}</p>", "f 'a'"),
                ("import'a';case'b'", "'a' 'b'"),
                ("<p>Don't</p>\n<b c={'a'}>{f('b')}</b></p>", "'a' f 'b'"),
                ("// 'a'\n/* 'b' /* */ 'c'", "'c'"),
                ("'a\nb' 'c'", "'c'"),
                ("`open 'a'", ""),
                (r"'it\'s' 'a'", "'a'"),
            ],
        );
    }

    #[test]
    fn shell() {
        check(
            Language::Shell,
            &[
                ("phaseflag get a --user b", "<a>"),
                ("phaseflag --base-url x get --user b a", "<a>"),
                ("phaseflag get --user=b --json a", "'b' <a>"),
                ("/usr/bin/phaseflag explain 'a b'", "<a b>"),
                ("X=1 env Y=2 phaseflag split a --users -", "'1' '2' <a>"),
                ("phaseflag list; phaseflag get $KEY; phaseflag watch a", ""),
                ("phaseflag get \"a-$b\" || phaseflag get \"c\"", "<c>"),
                ("x=$(phaseflag get a)", "<a>"),
                ("x=\"$(phaseflag get --user \"$(id -u)\" a) 'b'\" 'c'", "<a> 'c'"),
                ("phaseflag get --user $(whoami)x a", "<a>"),
                ("phaseflag get --user x\"y\"$(whoami) a", "<a>"),
                ("x=`phaseflag get a`", "<a>"),
                ("if ! phaseflag get --exit-code a; then echo 'b'; fi", "<a> 'b'"),
                ("phaseflag get \\\n  a", "<a>"),
                ("# phaseflag get a\necho a # 'b'", ""),
                ("cat <<EOF\ndon't 'a'\nEOF\necho 'b'", "'b'"),
                ("cat <<-'X' | y\n\t'a'\n\tX\necho 'b'", "'b'"),
                ("x=$((1<<2))\necho 'a'", "'a'"),
                ("key=a; key='b'; foo --key=c", "'a' 'b' 'c'"),
                ("echo a'b' 'c'", "'c'"),
                ("case $x in a) phaseflag get b ;; esac", "<b>"),
                ("(phaseflag get a) && f() { phaseflag get b; }", "<a> <b>"),
                ("echo 'open", "'open'"),
                ("echo \"open", ""),
                ("echo $(open 'a'", "'a'"),
            ],
        );
    }

    /// Otherwise, a long line that nobody has written by hand takes minutes.
    #[test]
    fn no_text_takes_quadratic_time() {
        for (language, part) in [
            (Language::JavaScript, "\"\\"),
            (Language::JavaScript, "'\\\""),
            (Language::JavaScript, "/["),
            (Language::JavaScript, "`${"),
            (Language::JavaScript, "f<"),
            (Language::Rust, "\"\\"),
            (Language::Rust, "/*"),
            (Language::Rust, "r#"),
            (Language::Python, "\"\\"),
            (Language::Python, "'''"),
            (Language::Shell, "<<E\n"),
            (Language::Shell, "$("),
            (Language::Shell, "\"$("),
            (Language::Shell, "a="),
            (Language::Shell, "phaseflag "),
        ] {
            let text = part.repeat(200_000);
            let start = std::time::Instant::now();
            mentions(&text, language, &[]);
            assert!(start.elapsed().as_secs() < 20, "{part}");
        }
    }
}
