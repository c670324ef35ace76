//! The name of the environment variable that overrides a flag.

/// What the names of these variables begin with.
pub(crate) const VARIABLE_PREFIX: &str = "PHASEFLAG_FLAG_";

/// Returns the name of the variable of a flag.
pub(crate) fn variable_of(key: &str) -> String {
    VARIABLE_PREFIX.chars().chain(variable_suffix(key)).collect()
}

/// Returns the name after the prefix: ASCII letters in upper case, digits, and `_` for each other
/// character.
pub(crate) fn variable_suffix(key: &str) -> impl Iterator<Item = char> {
    key.chars().map(|letter| match letter.to_ascii_uppercase() {
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '_',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_variable_has_letters_digits_and_underscores() {
        for (key, name) in [
            ("new-checkout-flow", "PHASEFLAG_FLAG_NEW_CHECKOUT_FLOW"),
            ("new_checkout.flow", "PHASEFLAG_FLAG_NEW_CHECKOUT_FLOW"),
            ("NewCheckout2", "PHASEFLAG_FLAG_NEWCHECKOUT2"),
            ("2nd step", "PHASEFLAG_FLAG_2ND_STEP"),
            ("a--b", "PHASEFLAG_FLAG_A__B"),
            ("größe", "PHASEFLAG_FLAG_GR__E"),
            ("straße😀", "PHASEFLAG_FLAG_STRA_E_"),
            ("ｆｌａｇ٣", "PHASEFLAG_FLAG______"),
            ("a=b\0", "PHASEFLAG_FLAG_A_B_"),
            ("", "PHASEFLAG_FLAG_"),
        ] {
            assert_eq!(variable_of(key), name);
        }
    }
}
