//! Evaluates one flag of a file with the evaluator only, without a client. The exit status is the
//! value.

use std::process::ExitCode;

use phaseflag::{EvaluationContext, Ruleset};

const FLAG: &str = "checkout-express-0000";

fn main() -> ExitCode {
    let file = std::env::args().nth(1).unwrap_or_default();
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let context = EvaluationContext::new().user_id("user-123").attribute("plan", "free");
    let is_on = Ruleset::parse(&text).is_ok_and(|ruleset| {
        let result = ruleset.evaluate(FLAG, &context);
        result.is_some_and(|result| result.value().as_bool() == Some(true))
    });
    ExitCode::from(u8::from(!is_on))
}
