//! Tests that the sketch and the client serve the same values.

use phaseflag::{EvaluationContext, Ruleset};
use phaseflag_benches::{realistic, sketch};

#[test]
fn it_serves_what_the_client_serves() {
    let text = realistic::ruleset(1_000);
    let ruleset = Ruleset::parse(&text).unwrap();
    let flags = sketch::Flags::new(&sketch::parse(&text).unwrap());
    let mut served = [0, 0];
    for user in 0..20 {
        for (name, value) in [("plan", "pro"), ("region", "eu-west-1"), ("plan", "free")] {
            let user_id = format!("user-{user}");
            let context = EvaluationContext::new().user_id(&user_id).attribute(name, value);
            let attributes = vec![(name.to_owned(), value.to_owned())];
            let sketched = sketch::Context { user_id, attributes };
            // The sketch has no prerequisites, segments or patterns.
            for flag in (0..1_000).filter(|flag| ![3, 7].contains(&(flag % 10))) {
                let key = realistic::key(flag);
                let value = ruleset.evaluate(&key, &context).unwrap().value().as_bool();
                let expected = value.unwrap_or_default();
                assert_eq!(flags.get_boolean_value(&key, false, &sketched), expected, "{key}");
                served[usize::from(expected)] += 1;
            }
        }
    }
    assert!(served.iter().all(|times| *times > 1_000), "{served:?}");
}
