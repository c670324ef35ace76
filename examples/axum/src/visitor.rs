//! Who a request comes from, as the flags want to know it.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use phaseflag::EvaluationContext;

/// An extractor: the context of a request, for any handler that names it among its arguments.
///
/// The user comes from the header `x-user-id`, which whoever checks who is there has set in front
/// of this server; the plan from the query, `free` where there is none. A request without a user
/// has a context, too: rules that ask for none still hold for it.
pub struct Visitor(pub EvaluationContext);

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Visitor, Infallible> {
        let query = Query::<HashMap<String, String>>::try_from_uri(&parts.uri);
        let plan = query.ok().and_then(|mut query| query.remove("plan"));
        let plan = plan.unwrap_or_else(|| "free".to_owned());
        let context = EvaluationContext::new().attribute("plan", plan);
        let user = parts.headers.get("x-user-id");
        let user = user.and_then(|user| str::from_utf8(user.as_bytes()).ok());
        Ok(Visitor(match user {
            Some(user) if !user.is_empty() => context.user_id(user),
            _ => context,
        }))
    }
}
