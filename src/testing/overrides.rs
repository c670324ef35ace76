//! Overrides that undo themselves.

use crate::client::PhaseFlagClient;
use crate::value::Value;

/// Makes a flag serve a value until what is returned is dropped: then the override that was there
/// before is back, or none.
///
/// It works with any client, and may be kept in a struct or sent to another thread: it is a handle
/// of its client. Where several are there for one flag, the latest counts, in whatever order they
/// are dropped; when all are, the flag is as it was before the first. What
/// [`set_override`](PhaseFlagClient::set_override) and its like change meanwhile counts until the
/// latest is dropped.
///
/// ```
/// use phaseflag::testing::{TestFlags, override_scoped};
///
/// let client = TestFlags::new().boolean("dark-mode", false).build()?;
/// let dark = override_scoped(&client, "dark-mode", true);
/// assert!(client.get_boolean_value("dark-mode", false, None));
/// drop(dark);
/// assert!(!client.get_boolean_value("dark-mode", false, None));
/// # Ok::<(), phaseflag::Error>(())
/// ```
pub fn override_scoped(
    client: &PhaseFlagClient,
    key: &str,
    value: impl Into<Value>,
) -> ScopedOverride {
    let number = client.overrides().cover(key, value.into());
    ScopedOverride { client: client.clone(), number }
}

/// An override that is undone when this is dropped; see [`override_scoped`].
#[must_use = "the override ends when this is dropped"]
#[derive(Debug)]
pub struct ScopedOverride {
    client: PhaseFlagClient,
    number: u64,
}

impl Drop for ScopedOverride {
    fn drop(&mut self) {
        self.client.overrides().uncover(self.number);
    }
}
