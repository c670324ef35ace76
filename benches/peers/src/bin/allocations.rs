//! How often each peer allocates for one call. A program of its own, because its
//! counting allocator is slower than the one that the times are taken with.

use allocation_counter::measure;
use peers::{PLAIN, RULE};

const CALLS: usize = 1024;

fn main() {
    for peer in peers::all() {
        (peer.ask)(RULE, CALLS); // what is made once is made
        let [plain, rule] =
            [PLAIN, RULE].map(|flag| measure(|| (peer.ask)(flag, CALLS)).count_total as f64);
        let calls = CALLS as f64;
        println!("{}\t{:.0}\t{:.0}", peer.name, plain / calls, rule / calls);
    }
}
