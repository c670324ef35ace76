//! `PhaseFlagClient::split`: a split with the overrides of the client.

use super::PhaseFlagClient;
use super::overrides::overridden;
use crate::context::EvaluationContext;
use crate::ruleset::Split;

impl PhaseFlagClient {
    /// Evaluates a flag once for each identifier and counts the results, as
    /// [`Ruleset::split`](crate::Ruleset::split) does; returns `None` if the flag is unknown. An
    /// override is one share, for all identifiers. Takes a context, or `None` for the default
    /// context.
    ///
    /// ```
    /// use phaseflag::testing::TestFlags;
    ///
    /// let client = TestFlags::new().boolean("beta", false).for_user("beta", "ada", true).build()?;
    /// let counts = || {
    ///     let split = client.split("beta", None, ["ada", "bob", "eve"]).unwrap();
    ///     split.shares().iter().map(|share| share.count()).collect::<Vec<_>>()
    /// };
    /// assert_eq!(counts(), [2, 1]);
    /// client.set_override("beta", true);
    /// assert_eq!(counts(), [3]);
    /// # Ok::<(), phaseflag::Error>(())
    /// ```
    pub fn split<'a>(
        &'a self,
        key: &str,
        context: impl Into<Option<&'a EvaluationContext>>,
        identifiers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Option<Split> {
        if let Some(result) = self.inner.overrides.read(key, overridden) {
            return Some(Split::of(&result, identifiers.into_iter().count() as u64));
        }
        let context = self.inner.context(context.into());
        self.inner.flags.current()?.split(key, context, identifiers)
    }
}
