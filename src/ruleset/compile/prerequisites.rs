//! Finds the flags whose prerequisites can never hold: those on a cycle, or with too long a chain.
//!
//! Runs once per ruleset. This is Tarjan's algorithm, without recursion.

/// The maximum length of a chain of prerequisites, in flags.
const MAX_CHAIN: usize = 100;

/// Why the prerequisites of a flag can never hold.
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

/// Returns the flags whose prerequisites can never hold. `required` lists, for each flag, the
/// positions of the flags that it requires.
pub(super) fn obstacles(required: &[Vec<u32>]) -> Vec<(u32, Obstacle)> {
    let nodes = vec![Node::default(); required.len()];
    let mut search = Search { required, nodes, discovered: 0, open: Vec::new() };
    for start in 0..required.len() {
        search.visit(start);
    }
    let obstacles = (0..).zip(search.nodes).map(|(flag, node)| Some((flag, node.obstacle?)));
    obstacles.flatten().collect()
}

#[derive(Clone, Copy, Default)]
struct Node {
    /// The order of discovery, from 1; 0 if not yet discovered.
    order: usize,
    /// The smallest order of the open flags that can be reached from here.
    lowest: usize,
    /// How many of the required flags have been visited.
    progress: usize,
    /// The length of the longest chain of prerequisites.
    chain: usize,
    closed: bool,
    obstacle: Option<Obstacle>,
}

struct Search<'a> {
    required: &'a [Vec<u32>],
    nodes: Vec<Node>,
    discovered: usize,
    /// Flags that may be on a cycle with the flag being visited.
    open: Vec<usize>,
}

impl Search<'_> {
    fn visit(&mut self, start: usize) {
        let mut path = Vec::new();
        self.enter(start, &mut path);
        while let Some(&flag) = path.last() {
            match self.next_required(flag) {
                Some(required) if self.node(required).order == 0 => self.enter(required, &mut path),
                Some(required) => self.merge(flag, required),
                None => {
                    path.pop();
                    self.close(flag);
                    if let Some(&parent) = path.last() {
                        self.merge(parent, flag);
                    }
                }
            }
        }
    }

    fn enter(&mut self, flag: usize, path: &mut Vec<usize>) {
        if self.node(flag).order != 0 {
            return;
        }
        self.discovered += 1;
        let order = self.discovered;
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

    /// Merges the state of a required flag that has been visited.
    fn merge(&mut self, flag: usize, required: usize) {
        let required = self.node(required);
        self.update(flag, |node| {
            if required.closed {
                node.chain = node.chain.max(required.chain + 1);
            } else {
                node.lowest = node.lowest.min(required.lowest);
            }
        });
    }

    /// Closes a flag whose required flags have all been visited, and the cycle that it starts.
    fn close(&mut self, flag: usize) {
        let node = self.node(flag);
        if node.lowest != node.order {
            return;
        }
        let on_cycle = self.open.last() != Some(&flag) || self.requires_itself(flag);
        while let Some(member) = self.open.pop() {
            self.settle(member, on_cycle);
            if member == flag {
                break;
            }
        }
    }

    /// Records the obstacle, if any. A flag with an obstacle never evaluates its prerequisites, so
    /// chains restart at it.
    fn settle(&mut self, flag: usize, on_cycle: bool) {
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
