//! The trait that each peer implements in its own file, and the checks of their results.

pub mod crates;

mod eppo;
mod featurevisor;
mod flagd;
mod growthbook;
mod launchdarkly;
mod phaseflag;
mod posthog;
mod unleash;

use std::hint::black_box;

/// Two of the hundred flags of every ruleset, a plain one and one with a rule.
pub const PLAIN: &str = "flag-42";
pub const RULE: &str = "flag-43";

/// The number of users: a power of two.
const USERS: usize = 16;

/// A crate that evaluates flags.
trait Peer {
    /// The context type of the crate.
    type User;
    /// The name on crates.io.
    const NAME: &str;

    /// Loads the hundred flags from text.
    fn load() -> Self;
    /// Returns the context, which a program keeps while it serves one user.
    fn user(id: &str, plan: &str) -> Self::User;
    /// Returns whether the flag is on. Panics if the crate reports an error.
    fn is_on(&self, flag: &str, user: &Self::User) -> bool;
}

/// A peer with checked results, ready to be measured.
pub struct Ready {
    pub name: &'static str,
    pub ask: Box<Ask>,
}

/// Evaluates a flag a number of times.
type Ask = dyn Fn(&str, usize);

/// All peers, loaded and checked.
pub fn all() -> Vec<Ready> {
    vec![
        ready::<phaseflag::PhaseFlag>(),
        ready::<unleash::Unleash>(),
        ready::<eppo::Eppo>(),
        ready::<launchdarkly::LaunchDarkly>(),
        ready::<posthog::PostHog>(),
        ready::<featurevisor::Featurevisor>(),
        ready::<growthbook::GrowthBook>(),
        ready::<flagd::Flagd>(),
    ]
}

fn ready<P: Peer + 'static>() -> Ready {
    let peer = P::load();
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for number in 0..1000u32 {
        let id = format!("user-{:08x}", number.wrapping_mul(0x9E37_79B1));
        let (paying, free) = (P::user(&id, "team"), P::user(&id, "free"));
        assert!(peer.is_on(PLAIN, &paying), "{}: plain, {id}", P::NAME);
        assert!(peer.is_on(PLAIN, &free), "{}: plain, {id}, free", P::NAME);
        assert!(!peer.is_on(RULE, &free), "{}: rule, {id}, free", P::NAME);
        let side = if peer.is_on(RULE, &paying) { &mut on } else { &mut off };
        side.push(paying);
    }
    assert!((430..570).contains(&on.len()), "{}: {} of 1000 are on", P::NAME, on.len());

    // In each peer, half of the measured users are in the rollout.
    let users: Vec<_> = on.into_iter().zip(off).flat_map(<[_; 2]>::from).take(USERS).collect();
    let ask = move |flag: &str, times: usize| {
        for turn in 0..times {
            black_box(peer.is_on(black_box(flag), &users[turn % USERS]));
        }
    };
    Ready { name: P::NAME, ask: Box::new(ask) }
}

/// Returns the hundred flags, separated by commas: half plain, half with a rule. `KEY`
/// in the texts is replaced by the key.
fn flags(plain: &str, rule: &str) -> String {
    let text = |number: usize| [plain, rule][number % 2].replace("KEY", &format!("flag-{number}"));
    (0..100).map(text).collect::<Vec<_>>().join(",")
}
