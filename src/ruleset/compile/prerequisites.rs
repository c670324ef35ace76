//! Which flags can never have their prerequisites met: those on a cycle, and those too deep.
//!
//! Settled once for a ruleset, by Tarjan's algorithm, without recursion.

/// The most flags that may stand in the longest chain of a flag's prerequisites.
const MAX_CHAIN: usize = 100;

/// Why a flag's prerequisites can never be met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Obstacle {
    Cycle,
    Depth,
}

impl Obstacle {
    pub(super) fn message(self) -> &'static str {
        match self {
            Obstacle::Cycle => {
                "the flag requires itself, directly or through others: its default variation is served"
            }
            Obstacle::Depth => {
                "the chain of prerequisites is longer than 100 flags: the flag's default variation is served"
            }
        }
    }
}

/// Finds the flags whose prerequisites can never be met; `required` lists, for each flag, the
/// positions of those that it requires.
pub(super) fn obstacles(required: &[Vec<u32>]) -> Vec<(u32, Obstacle)> {
    let nodes = vec![Node::default(); required.len()];
    let mut search = Search { required, nodes, found: 0, open: Vec::new() };
    for start in 0..required.len() {
        search.visit(start);
    }
    let found = (0..).zip(search.nodes).map(|(flag, node)| Some((flag, node.obstacle?)));
    found.flatten().collect()
}

#[derive(Clone, Copy, Default)]
struct Node {
    /// The order of discovery, from 1; 0 before that.
    order: usize,
    /// The smallest order that can be reached from here and is still open.
    lowest: usize,
    /// How many of the required flags have been looked at.
    progress: usize,
    /// The length of the longest chain of prerequisites.
    chain: usize,
    closed: bool,
    obstacle: Option<Obstacle>,
}

struct Search<'a> {
    required: &'a [Vec<u32>],
    nodes: Vec<Node>,
    found: usize,
    /// Flags that may still turn out to be on a cycle with what is being visited.
    open: Vec<usize>,
}

impl Search<'_> {
    fn visit(&mut self, start: usize) {
        let mut path = Vec::new();
        self.enter(start, &mut path);
        while let Some(&flag) = path.last() {
            match self.next_required(flag) {
                Some(required) if self.node(required).order == 0 => self.enter(required, &mut path),
                Some(required) => self.look_back(flag, required),
                None => {
                    path.pop();
                    self.close(flag);
                    if let Some(&parent) = path.last() {
                        self.look_back(parent, flag);
                    }
                }
            }
        }
    }

    fn enter(&mut self, flag: usize, path: &mut Vec<usize>) {
        if self.node(flag).order != 0 {
            return;
        }
        self.found += 1;
        let order = self.found;
        self.update(flag, |node| {
            node.order = order;
            node.lowest = order;
        });
        self.open.push(flag);
        path.push(flag);
    }

    fn next_required(&mut self, flag: usize) -> Option<usize> {
        let required = *self.required.get(flag)?.get(self.node(flag).progress)?;
        self.update(flag, |node| node.progress += 1);
        Some(required as usize)
    }

    /// Takes over what is known of a required flag that has been visited.
    fn look_back(&mut self, flag: usize, required: usize) {
        let required = self.node(required);
        self.update(flag, |node| {
            if required.closed {
                node.chain = node.chain.max(required.chain + 1);
            } else {
                node.lowest = node.lowest.min(required.lowest);
            }
        });
    }

    /// Judges a flag whose required flags have all been visited.
    fn close(&mut self, flag: usize) {
        let node = self.node(flag);
        if node.lowest != node.order {
            return;
        }
        let on_cycle = self.open.last() != Some(&flag) || self.requires_itself(flag);
        while let Some(member) = self.open.pop() {
            self.judge(member, on_cycle);
            if member == flag {
                break;
            }
        }
    }

    /// A flag that serves its default asks nothing of others: chains start anew above it.
    fn judge(&mut self, flag: usize, on_cycle: bool) {
        let obstacle = if on_cycle {
            Some(Obstacle::Cycle)
        } else if self.node(flag).chain > MAX_CHAIN {
            Some(Obstacle::Depth)
        } else {
            None
        };
        self.update(flag, |node| {
            node.closed = true;
            node.obstacle = obstacle;
            if obstacle.is_some() {
                node.chain = 0;
            }
        });
    }

    fn requires_itself(&self, flag: usize) -> bool {
        self.required
            .get(flag)
            .is_some_and(|required| required.iter().any(|&other| other as usize == flag))
    }

    fn node(&self, flag: usize) -> Node {
        self.nodes.get(flag).copied().unwrap_or_default()
    }

    fn update(&mut self, flag: usize, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(flag) {
            change(node);
        }
    }
}
