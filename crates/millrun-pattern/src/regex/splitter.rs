//! The splitter: expressions that take a line apart at delimiters, compiled to a program of byte runs.
//!
//! ```text
//! ^(?<host>[^ ]*) \[(?<time>[^\]]*)\](?: "(?<agent>[^"]*)")?$
//!
//! line start   run [^ ]* as 1   " ["   run [^\]]* as 2   "]"   fork …   line end   match
//! ```
//! A run whose characters cannot begin what follows it never has to give back: it is one scan (`Possessive`). Others
//! keep the way back, but only to places where what follows can begin, so that `\S*"` steps back once and not per byte.
//! The meaning is exactly that of backtracking in the order of preference; expressions that need more (loops over
//! groups, look-around, references, characters beyond ASCII in sets) are left to PCRE2.

use super::{
    scan::Scan,
    set::ByteSet,
    syntax::{Anchor, Greed, Node, Syntax},
};

/// The most steps of a program: larger expressions are left to PCRE2.
const PROGRAM_STEPS_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    /// Tried after every newline too, not only at the start.
    pub(super) each_line: bool,
}

#[derive(Debug)]
pub(super) enum Step {
    Byte(u8),
    Literal(Vec<u8>),
    One(Box<ByteSet>),
    Run(Box<Run>),
    /// A run up to a byte with which the next step begins: what is left of that step follows, and it is passed over.
    /// The step itself stays, for those who come to it from elsewhere.
    Field {
        end: u8,
        /// As in [`Run`].
        capture: usize,
        rest: Vec<u8>,
    },
    /// Notes the position in a slot.
    Save(usize),
    /// Goes on with the next step, or else there. `opened` counts the captures that begin before this step: the
    /// program has no loops, so who comes back here forgets all later ones.
    Fork {
        other: usize,
        opened: usize,
    },
    /// Goes on there, or else with the next step.
    ForkAway {
        preferred: usize,
        opened: usize,
    },
    Jump(usize),
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    TextEndOrNewline,
    Match,
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) set: ByteSet,
    /// To the end of the run or, if it is lazy, to the first place where what follows can begin.
    pub(super) scan: Scan,
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) greed: Greed,
    /// The number of the capture that is just this run; 0 for none.
    pub(super) capture: usize,
    /// The captures that begin before the end of this run.
    pub(super) opened: usize,
    /// The bytes that what follows can begin with.
    pub(super) next: ByteSet,
    /// What follows can match at the end of the text.
    pub(super) next_at_end: bool,
}

/// Compiles the expression, if it is of this kind.
pub(super) fn compile(syntax: &Syntax) -> Option<Program> {
    if syntax.unicode {
        return None;
    }
    let nodes: &[Node] = match &syntax.node {
        Node::Concat(nodes) => nodes,
        only => std::slice::from_ref(only),
    };
    let each_line = match nodes.first()? {
        Node::Anchor(Anchor::LineStart) => true,
        Node::Anchor(Anchor::TextStart) => false,
        _ => return None,
    };
    let mut compiler = Compiler {
        syntax,
        steps: Vec::new(),
        target: 0,
        opened: 0,
    };
    for node in nodes {
        compiler.node(node)?;
    }
    compiler.push(Step::Match)?;
    compiler.look_ahead();
    compiler.join_fields();
    Some(Program {
        steps: compiler.steps,
        each_line,
    })
}

struct Compiler<'s> {
    syntax: &'s Syntax,
    steps: Vec<Step>,
    /// The last step that another one leads to.
    target: usize,
    /// The captures that have begun.
    opened: usize,
}

impl Compiler<'_> {
    fn push(&mut self, step: Step) -> Option<usize> {
        self.steps.push(step);
        (self.steps.len() <= PROGRAM_STEPS_MAX).then_some(self.steps.len() - 1)
    }

    fn set(&mut self, at: usize, step: Step) -> Option<()> {
        *self.steps.get_mut(at)? = step;
        Some(())
    }

    /// The next step, as a place to lead to.
    fn here(&mut self) -> usize {
        self.target = self.steps.len();
        self.target
    }

    fn push_byte(&mut self, byte: u8) -> Option<()> {
        // A step that another one leads to must begin here.
        let merges = self.target < self.steps.len();
        match self.steps.last_mut().filter(|_| merges) {
            Some(Step::Literal(bytes)) => bytes.push(byte),
            Some(step @ Step::Byte(_)) => {
                if let Step::Byte(first) = *step {
                    *step = Step::Literal(vec![first, byte]);
                }
            }
            _ => {
                self.push(Step::Byte(byte))?;
            }
        }
        Some(())
    }

    fn node(&mut self, node: &Node) -> Option<()> {
        match node {
            Node::Empty => {}
            Node::Char { value, fold: false } if !value.is_ascii() => {
                for &byte in value.encode_utf8(&mut [0; 4]).as_bytes() {
                    self.push_byte(byte)?;
                }
            }
            Node::Char { value, fold: false } => self.push_byte(u8::try_from(*value).ok()?)?,
            Node::Byte(byte) => self.push_byte(*byte)?,
            Node::Char { .. } | Node::Any { .. } | Node::Set { .. } => {
                self.push(Step::One(Box::new(one_byte(node)?)))?;
            }
            Node::Anchor(anchor) => {
                self.push(match anchor {
                    Anchor::LineStart => Step::LineStart,
                    Anchor::LineEnd => Step::LineEnd,
                    Anchor::TextStart => Step::TextStart,
                    Anchor::TextEnd => Step::TextEnd,
                    Anchor::TextEndOrNewline => Step::TextEndOrNewline,
                    Anchor::SearchStart | Anchor::WordBoundary | Anchor::NotWordBoundary => {
                        return None;
                    }
                })?;
            }
            Node::Group { ordinal, node } => {
                match self.syntax.numbers.get(*ordinal).copied().flatten() {
                    None => self.node(node)?,
                    Some(number) => self.capture(number, node)?,
                }
            }
            Node::Concat(nodes) => {
                for node in nodes {
                    self.node(node)?;
                }
            }
            Node::Alternation(nodes) => self.alternation(nodes)?,
            Node::Repeat {
                node,
                min,
                max,
                greed,
            } => self.repeat(node, *min, *max, *greed)?,
            Node::Look { .. }
            | Node::Atomic(_)
            | Node::NumberReference(_)
            | Node::NameReference { .. }
            | Node::Call { .. }
            | Node::Verbatim(_) => return None,
        }
        Some(())
    }

    fn capture(&mut self, number: usize, node: &Node) -> Option<()> {
        self.opened = number;
        if let Node::Repeat {
            node,
            min,
            max,
            greed,
        } = node
            && let Some(set) = one_byte(node)
        {
            return self.run(set, *min, *max, *greed, number);
        }
        self.push(Step::Save(number * 2))?;
        self.node(node)?;
        self.push(Step::Save(number * 2 + 1))?;
        Some(())
    }

    fn alternation(&mut self, nodes: &[Node]) -> Option<()> {
        let (last, others) = nodes.split_last()?;
        let mut jumps = Vec::new();
        for node in others {
            let opened = self.opened;
            let fork = self.push(Step::Fork { other: 0, opened })?;
            self.node(node)?;
            jumps.push(self.push(Step::Jump(0))?);
            let other = self.here();
            self.set(fork, Step::Fork { other, opened })?;
        }
        self.node(last)?;
        let end = self.here();
        jumps
            .into_iter()
            .try_for_each(|jump| self.set(jump, Step::Jump(end)))
    }

    fn repeat(&mut self, node: &Node, min: u32, max: Option<u32>, greed: Greed) -> Option<()> {
        if let Some(set) = one_byte(node) {
            return self.run(set, min, max, greed, 0);
        }
        if (min, max) != (0, Some(1)) || greed == Greed::Possessive {
            return None;
        }
        let opened = self.opened;
        let fork = self.push(Step::Jump(0))?;
        self.node(node)?;
        let end = self.here();
        let step = if greed == Greed::Lazy {
            Step::ForkAway {
                preferred: end,
                opened,
            }
        } else {
            Step::Fork { other: end, opened }
        };
        self.set(fork, step)
    }

    fn run(
        &mut self,
        set: ByteSet,
        min: u32,
        max: Option<u32>,
        greed: Greed,
        capture: usize,
    ) -> Option<()> {
        let run = Run {
            scan: Scan::to(set.complement()),
            set,
            min: usize::try_from(min).ok()?,
            max: max.map_or(Some(usize::MAX), |max| usize::try_from(max).ok())?,
            greed,
            capture,
            opened: self.opened,
            next: ByteSet::default(),
            next_at_end: false,
        };
        self.push(Step::Run(Box::new(run)))?;
        Some(())
    }

    /// Joins runs up to a byte with that byte.
    fn join_fields(&mut self) {
        for at in 0..self.steps.len() {
            let rest = match self.steps.get(at + 1) {
                Some(Step::Byte(byte)) => (*byte, Vec::new()),
                Some(Step::Literal(bytes)) => match bytes.split_first() {
                    Some((first, rest)) => (*first, rest.to_vec()),
                    None => continue,
                },
                _ => continue,
            };
            let Some(Step::Run(run)) = self.steps.get(at) else {
                continue;
            };
            let is_whole = run.greed == Greed::Possessive && run.min == 0 && run.max == usize::MAX;
            if let (true, Some(end), (first, rest)) = (is_whole, run.scan.only_end(), rest)
                && end == first
            {
                let capture = run.capture;
                let field = Step::Field { end, capture, rest };
                if let Some(step) = self.steps.get_mut(at) {
                    *step = field;
                }
            }
        }
    }

    /// Tells each run what can follow it. Ways only lead forward, so one pass from the end knows all.
    fn look_ahead(&mut self) {
        let mut firsts: Vec<(ByteSet, bool)> =
            vec![(ByteSet::default(), false); self.steps.len() + 1];
        for at in (0..self.steps.len()).rev() {
            let following = firsts.get(at + 1).cloned().unwrap_or_default();
            let target = |at: &usize| firsts.get(*at).cloned().unwrap_or_default();
            let first = match self.steps.get_mut(at) {
                None => continue,
                Some(Step::Byte(byte)) => {
                    let mut set = ByteSet::default();
                    set.insert(*byte);
                    (set, false)
                }
                Some(Step::Literal(bytes)) => {
                    let mut set = ByteSet::default();
                    bytes.iter().take(1).for_each(|byte| set.insert(*byte));
                    (set, false)
                }
                Some(Step::One(set)) => ((**set).clone(), false),
                Some(Step::Run(run)) => {
                    (run.next, run.next_at_end) = following.clone();
                    if run.greed == Greed::Greedy
                        && run.max == usize::MAX
                        && run.set.is_disjoint(&run.next)
                    {
                        run.greed = Greed::Possessive;
                    }
                    if run.greed == Greed::Lazy {
                        let mut ends = run.set.complement();
                        ends.unite(&run.next);
                        run.scan = Scan::to(ends);
                    }
                    let mut set = run.set.clone();
                    if run.min == 0 {
                        set.unite(&following.0);
                    }
                    (set, run.min == 0 && following.1)
                }
                Some(Step::Save(_) | Step::LineStart | Step::TextStart) => following,
                Some(
                    Step::Fork { other, .. }
                    | Step::ForkAway {
                        preferred: other, ..
                    },
                ) => {
                    let (mut set, at_end) = following;
                    let (other, other_at_end) = target(other);
                    set.unite(&other);
                    (set, at_end || other_at_end)
                }
                Some(Step::Jump(to)) => target(to),
                Some(Step::LineEnd | Step::TextEndOrNewline) => {
                    let mut set = ByteSet::default();
                    set.insert(b'\n');
                    (set, true)
                }
                Some(Step::TextEnd) => (ByteSet::default(), true),
                Some(Step::Match) => (ByteSet::full(), true),
                // Fields are joined when all is known.
                Some(Step::Field { .. }) => continue,
            };
            if let Some(slot) = firsts.get_mut(at) {
                *slot = first;
            }
        }
    }
}

/// The bytes of a node that matches exactly one byte.
fn one_byte(node: &Node) -> Option<ByteSet> {
    match node {
        Node::Char { value, fold } => {
            let byte = u8::try_from(*value).ok().filter(u8::is_ascii)?;
            let mut set = ByteSet::default();
            set.insert(byte);
            if *fold {
                set.insert(byte.to_ascii_lowercase());
                set.insert(byte.to_ascii_uppercase());
            }
            Some(set)
        }
        Node::Byte(byte) => {
            let mut set = ByteSet::default();
            set.insert(*byte);
            Some(set)
        }
        Node::Any { newline } => {
            let mut set = ByteSet::full();
            if !newline {
                set.remove(b'\n');
            }
            Some(set)
        }
        Node::Set { set, fold } => set.bytes(*fold),
        _ => None,
    }
}
