//! `override_scoped`: an override that ends with a scope.

use crate::client::PhaseFlagClient;
use crate::value::Value;

/// Overrides the value of a flag until the returned guard is dropped, and then restores the previous
/// override, if there was one.
///
/// The guard works with any client, holds a handle of it, and may be sent to another thread. If a
/// flag has several guards, the latest one decides; they may be dropped in any order. A call of
/// [`set_override`](PhaseFlagClient::set_override) or
/// [`clear_override`](PhaseFlagClient::clear_override) takes effect until the latest guard is
/// dropped.
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
    let id = client.overrides().begin_scoped(key, value.into());
    ScopedOverride { client: client.clone(), id }
}

/// The guard of an override, returned by [`override_scoped`].
#[must_use = "the override ends when the guard is dropped"]
#[derive(Debug)]
pub struct ScopedOverride {
    client: PhaseFlagClient,
    id: u64,
}

impl Drop for ScopedOverride {
    fn drop(&mut self) {
        self.client.overrides().end_scoped(self.id);
    }
}
