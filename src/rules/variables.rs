//! Overrides from environment variables, and the log lines about those that are likely mistakes.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::error::Error;
use crate::log::log;
use crate::ruleset::{Ruleset, VARIABLE_PREFIX, excerpt, variable_suffix};
use crate::value::Value;

/// Reads the variables of this process; `None` if there are none. Only the setting refers to the
/// function, so that a program without it does not contain the code.
pub(crate) type NewVariables = fn() -> Result<Option<Arc<dyn Variables>>, Error>;

/// Overrides from environment variables.
pub(crate) trait Variables: fmt::Debug + Send + Sync + UnwindSafe + RefUnwindSafe {
    /// Returns the override of a flag, or `None`. The rules decide whether its type is `string`.
    fn get(&self, key: &str, rules: &dyn Fn() -> Option<Ruleset>) -> Option<&Value>;

    /// Returns the names of the variables that match no flag.
    fn unmatched(&self, rules: &Ruleset) -> Vec<String>;

    /// Logs likely mistakes, each once. `is_complete` is whether the rules have all flags. Must not run
    /// on a thread that evaluates.
    fn report(&self, rules: &Ruleset, is_complete: bool);
}

pub(crate) fn read_variables() -> Result<Option<Arc<dyn Variables>>, Error> {
    let list = parse(env::vars_os(), cfg!(windows))?;
    Ok((!list.is_empty()).then(|| Arc::new(FlagVariables(list)) as _))
}

/// The variables, sorted by name.
struct FlagVariables(Vec<Variable>);

struct Variable {
    /// The name after the prefix.
    suffix: String,
    /// The value as it stands.
    text: Value,
    /// The value as JSON; `None` if it is not JSON.
    json: Option<Value>,
    /// The mistakes that are in the log, as bits.
    reported: AtomicU8,
}

/// Mistakes of a variable, as bits.
const NO_FLAG: u8 = 1;
const SEVERAL_FLAGS: u8 = 2;
const OTHER_TYPE: u8 = 4;

/// Returns the variables that override flags. `ignore_case` is whether the system ignores the case of
/// names.
fn parse(
    variables: impl Iterator<Item = (OsString, OsString)>,
    ignore_case: bool,
) -> Result<Vec<Variable>, Error> {
    let mut list = Vec::new();
    for (name, value) in variables {
        let mut name = name.to_string_lossy().into_owned();
        if ignore_case {
            name.make_ascii_uppercase();
        }
        let Some(suffix) = name.strip_prefix(VARIABLE_PREFIX) else { continue };
        let Ok(text) = value.into_string() else {
            let reason =
                format!("cannot use the variable {}: its value is not UTF-8", excerpt(&name));
            return Err(Error::setting("override_from_env", reason));
        };
        list.push(Variable {
            suffix: suffix.to_owned(),
            json: text.parse().ok(),
            text: text.into(),
            reported: AtomicU8::new(0),
        });
    }
    // Of equal names, the first one counts, as for `getenv`.
    list.sort_by(|left, right| left.suffix.cmp(&right.suffix));
    list.dedup_by(|later, earlier| later.suffix == earlier.suffix);
    Ok(list)
}

impl FlagVariables {
    /// Returns the position of the variable of a flag.
    fn position(&self, key: &str) -> Option<usize> {
        let compare = |variable: &Variable| variable.suffix.chars().cmp(variable_suffix(key));
        self.0.binary_search_by(compare).ok()
    }

    /// Returns the keys of the flags of each variable.
    fn matches(&self, rules: &Ruleset) -> Vec<Vec<String>> {
        let mut matches = vec![Vec::new(); self.0.len()];
        rules.for_each_key(&mut |key| {
            let keys = self.position(key).and_then(|position| matches.get_mut(position));
            if let Some(keys) = keys.filter(|_| rules.has(key)) {
                keys.push(key.to_owned());
            }
        });
        matches
    }
}

impl Variables for FlagVariables {
    fn get(&self, key: &str, rules: &dyn Fn() -> Option<Ruleset>) -> Option<&Value> {
        let variable = self.0.get(self.position(key)?)?;
        let is_text = || rules().is_some_and(|rules| rules.is_text(key));
        Some(match &variable.json {
            Some(json) if !is_text() => json,
            _ => &variable.text,
        })
    }

    fn unmatched(&self, rules: &Ruleset) -> Vec<String> {
        let matches = self.matches(rules);
        let unmatched = self.0.iter().zip(matches).filter(|(_, keys)| keys.is_empty());
        unmatched.map(|(variable, _)| variable.name()).collect()
    }

    fn report(&self, rules: &Ruleset, is_complete: bool) {
        for (variable, keys) in self.0.iter().zip(self.matches(rules)) {
            let name = excerpt(&variable.name());
            match keys.as_slice() {
                [] if is_complete && variable.is_new(NO_FLAG) => {
                    log!(warn, "the environment variable `{name}` matches no flag");
                }
                [first, second, others @ ..] if variable.is_new(SEVERAL_FLAGS) => {
                    let (first, second) = (excerpt(first), excerpt(second));
                    let others = match others.len() {
                        0 => String::new(),
                        others => format!(" and {others} more"),
                    };
                    log!(
                        warn,
                        "the environment variable `{name}` overrides several flags: \
                         `{first}`, `{second}`{others}"
                    );
                }
                _ => {}
            }
            for key in keys {
                let Some(value) = self.get(&key, &|| Some(rules.clone())) else { continue };
                let (given, served) = (value.type_name(), rules.scalar_type(&key));
                if let Some(served) = served.filter(|served| *served != given)
                    && variable.is_new(OTHER_TYPE)
                {
                    let key = excerpt(&key);
                    log!(
                        warn,
                        "the environment variable `{name}` holds {given}, \
                         but the flag `{key}` serves {served}"
                    );
                }
            }
        }
    }
}

impl Variable {
    fn name(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.suffix)
    }

    /// Notes that a mistake is reported, and returns whether it was not before.
    fn is_new(&self, mistake: u8) -> bool {
        self.reported.fetch_or(mistake, Ordering::Relaxed) & mistake == 0
    }
}

/// Shows the names alone.
impl fmt::Debug for FlagVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(Variable::name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(list: &[(&str, &str)], ignore_case: bool) -> FlagVariables {
        let list = list.iter().map(|(name, value)| (name.into(), value.into()));
        FlagVariables(parse(list, ignore_case).unwrap())
    }

    /// Returns rules in which all flags of these tests are of the type `string`.
    fn texts() -> Ruleset {
        let keys = ["a-b", "a_b", "A B", "", "-", "é", "a", "a.", "a/b", "a0", "aB", "z€€", "b"];
        let flags = keys.map(|key| format!(r#"{{"key": "{key}", "flag_type": "string"}}"#));
        Ruleset::parse(&format!("[{}]", flags.join(","))).unwrap()
    }

    fn json(text: &str) -> Value {
        text.parse().unwrap()
    }

    #[test]
    fn a_value_is_json_or_else_a_text() {
        for (text, expected) in [
            ("true", json("true")),
            (" false\n", json("false")),
            ("1.10", json("1.1")),
            ("-0", json("0")),
            ("18446744073709551615", json("18446744073709551615")),
            ("null", Value::Null),
            ("\"dark\"", json("\"dark\"")),
            (r#"{"a": [1, {}]}"#, json(r#"{"a": [1, {}]}"#)),
            ("dark", "dark".into()),
            ("", "".into()),
            (" ", " ".into()),
            ("True", "True".into()),
            ("1e999", "1e999".into()),
            ("{\"a\": 1", "{\"a\": 1".into()),
            ("true false", "true false".into()),
            ("größe", "größe".into()),
        ] {
            let variables = variables(&[("PHASEFLAG_FLAG_A_B", text)], false);
            for key in ["a-b", "a_b", "A B"] {
                assert_eq!(variables.get(key, &|| None), Some(&expected), "{text:?}");
                assert_eq!(
                    variables.get(key, &|| Some(texts())),
                    Some(&Value::from(text)),
                    "{text:?}"
                );
            }
            assert_eq!(variables.get("a-b-c", &|| None), None);
        }
        let nested = "[".repeat(129) + &"]".repeat(129);
        let variables = variables(&[("PHASEFLAG_FLAG_A", &nested)], false);
        assert_eq!(variables.get("a", &|| None), Some(&Value::from(nested)));
    }

    #[test]
    fn each_variable_is_found_by_the_keys_of_its_flags() {
        let names = ["", "_", "A", "A_", "A_B", "A0", "AB", "Z__", "É", "a"];
        let list: Vec<_> = names.iter().map(|name| format!("{VARIABLE_PREFIX}{name}")).collect();
        let list: Vec<_> = list.iter().map(String::as_str).zip(names).rev().collect();
        let variables = variables(&list, false);
        for (key, name) in [
            ("", Some("")),
            ("-", Some("_")),
            ("é", Some("_")),
            ("a", Some("A")),
            ("a.", Some("A_")),
            ("a/b", Some("A_B")),
            ("a0", Some("A0")),
            ("aB", Some("AB")),
            ("z€€", Some("Z__")),
            ("b", None),
            ("a-b-", None),
        ] {
            assert_eq!(
                variables.get(key, &|| Some(texts())),
                name.map(Value::from).as_ref(),
                "{key}"
            );
        }
    }

    #[test]
    fn case_counts_unless_the_system_ignores_it() {
        let list =
            [("phaseflag_flag_a", "1"), ("Phaseflag_Flag_B", "2"), ("PHASEFLAG_FLAG_c", "3")];
        for (ignore_case, expected) in [(true, [Some(1), Some(2), Some(3)]), (false, [None; 3])] {
            let variables = variables(&list, ignore_case);
            let get = |key| variables.get(key, &|| None).and_then(Value::as_i64);
            assert_eq!(["a", "b", "c"].map(get), expected);
        }
    }

    #[test]
    fn of_equal_names_the_first_one_counts() {
        let list =
            [("PHASEFLAG_FLAG_A", "1"), ("PHASEFLAG_FLAG_B", "2"), ("PHASEFLAG_FLAG_A", "3")];
        let variables = variables(&list, false);
        assert_eq!(variables.get("a", &|| None), Some(&Value::from(1)));
        assert_eq!(format!("{variables:?}"), r#"["PHASEFLAG_FLAG_A", "PHASEFLAG_FLAG_B"]"#);
    }

    #[cfg(unix)]
    #[test]
    fn only_a_value_that_is_used_must_be_utf_8() {
        use std::os::unix::ffi::OsStringExt;
        let bytes = |text: &[u8]| OsString::from_vec(text.to_vec());
        let read = |name: &[u8]| parse([(bytes(name), bytes(b"\xff"))].into_iter(), false);
        for name in [&b"OTHER"[..], b"PHASEFLAG_FLAG", b"\xff", b"\xffPHASEFLAG_FLAG_A"] {
            assert!(read(name).unwrap().is_empty());
        }
        for (name, shown) in
            [(&b"PHASEFLAG_FLAG_A"[..], "A"), (b"PHASEFLAG_FLAG_\xff\n", "\u{fffd}\\n")]
        {
            assert_eq!(
                read(name).err().unwrap().to_string(),
                format!(
                    "failed to build client: `override_from_env` cannot use the variable \
                     PHASEFLAG_FLAG_{shown}: its value is not UTF-8"
                )
            );
        }
    }
}
