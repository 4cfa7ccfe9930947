//! The compiled form: a tree whose names are resolved.
//!
//! Local variables are slots, methods and functions are numbers, literal texts are places in one pool, regular
//! expressions are compiled. There is neither recursion nor a closure that outlives its call in the subset, so each
//! variable has one slot for the whole program.

use std::sync::Arc;

use crate::{
    class::Class,
    error::Span,
    method::{ClassMethod, Function, Method},
    pattern::Pattern,
};

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) at: Span,
}

/// A literal text: where it lies in the program's pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Nil,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(Literal),
    Symbol(Literal),
    /// A text with expressions in it.
    Interpolated(Vec<Node>),
    InterpolatedSymbol(Vec<Node>),
    Regex(Arc<Pattern>),
    InterpolatedRegex(Vec<Node>, millrun_pattern::Flags),
    Array(Vec<Node>),
    Hash(Vec<(Node, Node)>),
    /// `*list` among arguments or elements, `**hash` as the key of a pair.
    Splat(Box<Node>),
    Range {
        first: Option<Box<Node>>,
        last: Option<Box<Node>>,
        exclusive: bool,
    },
    Local(u32),
    SetLocal(u32, Box<Node>),
    /// `$1` …; 0 is `$&`.
    Group(u32),
    /// `$~`.
    LastMatch,
    Variable(Variable),
    Class(Class),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    If(Box<Node>, Box<Node>, Box<Node>),
    While {
        condition: Box<Node>,
        body: Box<Node>,
        until: bool,
    },
    Case {
        subject: Option<Box<Node>>,
        branches: Vec<(Vec<Node>, Node)>,
        otherwise: Box<Node>,
    },
    Begin(Box<Begin>),
    Sequence(Vec<Node>),
    Call(Box<Call>),
    ClassCall(ClassMethod, Vec<Node>, Option<Box<Block>>),
    Function(Function, Vec<Node>, Option<Box<Block>>),
    Operation(Method, Box<Node>, Box<Node>),
    Index(Box<Node>, Box<Node>),
    /// `record["…"]`, which is what most expressions begin with.
    Field(Literal),
    SetIndex(Box<Node>, Vec<Node>, Box<Node>),
    /// `target[arguments] op= value`; the method of `||=` and `&&=` is none.
    UpdateIndex(Box<Node>, Vec<Node>, Update, Box<Node>),
    MultiAssign(Vec<Target>, Box<Node>),
    Next(Option<Box<Node>>),
    Break(Option<Box<Node>>),
    Return(Option<Box<Node>>),
    /// A name that nothing defines; Ruby finds out when it runs.
    Undefined(Literal),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Update {
    Or,
    And,
    Method(Method),
}

/// The names that the surroundings of an expression bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    Record,
    Tag,
    TagParts,
    TagPrefix,
    TagSuffix,
    Time,
    Hostname,
    WorkerId,
    UseNil,
    UseDefault,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) receiver: Node,
    pub(crate) method: Method,
    pub(crate) arguments: Vec<Node>,
    pub(crate) block: Option<Block>,
    /// `&.`
    pub(crate) safe: bool,
}

#[derive(Debug)]
pub(crate) enum Block {
    Code {
        parameters: Vec<Target>,
        /// `|a,|` or more than one parameter: an array that comes alone is taken apart.
        spreads: bool,
        body: Node,
    },
    /// `&:name`
    Method(Method),
}

/// Where a value goes.
#[derive(Debug)]
pub(crate) enum Target {
    Slot(u32),
    Splat(Option<u32>),
    Nested(Vec<Target>),
}

#[derive(Debug)]
pub(crate) struct Begin {
    pub(crate) body: Node,
    pub(crate) rescues: Vec<Rescue>,
    pub(crate) otherwise: Option<Node>,
    pub(crate) ensure: Option<Node>,
}

#[derive(Debug)]
pub(crate) struct Rescue {
    /// None: every StandardError.
    pub(crate) classes: Vec<Class>,
    pub(crate) slot: Option<u32>,
    pub(crate) body: Node,
}

impl Node {
    pub(crate) fn new(kind: Kind, at: Span) -> Self {
        Self { kind, at }
    }

    pub(crate) fn nil(at: Span) -> Self {
        Self::new(Kind::Nil, at)
    }
}
