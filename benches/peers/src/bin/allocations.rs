//! Counts the allocations of each peer for one call. A separate program, because the
//! counting allocator is slower than the default one.

use allocation_counter::measure;
use peers::{PLAIN, RULE};

const CALLS: usize = 1024;

fn main() {
    for peer in peers::all() {
        (peer.ask)(RULE, CALLS); // lazy initialization
        let [plain, rule] =
            [PLAIN, RULE].map(|flag| measure(|| (peer.ask)(flag, CALLS)).count_total as f64);
        let calls = CALLS as f64;
        println!("{}\t{:.0}\t{:.0}", peer.name, plain / calls, rule / calls);
    }
}
