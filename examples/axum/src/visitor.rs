//! Extracts the evaluation context of a request.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use phaseflag::EvaluationContext;

/// An extractor for the context of a request.
///
/// The user comes from the headers `x-user-id` and `x-user-email`, which an authenticating proxy sets.
/// The plan comes from the query, and defaults to `free`. A request without a user has a context,
/// too: rules without conditions on the user still match.
pub struct Visitor(pub EvaluationContext);

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Visitor, Infallible> {
        let query = Query::<HashMap<String, String>>::try_from_uri(&parts.uri);
        let plan = query.ok().and_then(|mut query| query.remove("plan"));
        let plan = plan.unwrap_or_else(|| "free".to_owned());
        let mut context = EvaluationContext::new().attribute("plan", plan);
        let header = |name| str::from_utf8(parts.headers.get(name)?.as_bytes()).ok();
        let given = |name| header(name).filter(|text| !text.is_empty());
        if let Some(user) = given("x-user-id") {
            context = context.user_id(user);
        }
        if let Some(email) = given("x-user-email") {
            context = context.attribute("email", email);
        }
        Ok(Visitor(context))
    }
}
