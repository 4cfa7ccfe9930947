//! Compiling: an expression, or a text with expressions in it, once.

use crate::{
    error::{RubyError, Span},
    lexer,
    node::{Kind, Node, Variable},
    parser::Parser,
    parser_primary::Pieces,
    suggest,
};

/// Where an expression stands, which decides what names it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// `#{…}` of a configuration: `hostname`, `worker_id`, `use_nil`, `use_default`.
    Configuration,
    /// `${…}` of record_transformer and record_modifier with Ruby: `record`, `tag`, `tag_parts`, `tag_prefix`,
    /// `tag_suffix`, `time`, `hostname`.
    Record,
}

const CONFIGURATION: &[(&str, Variable)] = &[
    ("hostname", Variable::Hostname),
    ("worker_id", Variable::WorkerId),
    ("use_nil", Variable::UseNil),
    ("use_default", Variable::UseDefault),
];

const RECORD: &[(&str, Variable)] = &[
    ("record", Variable::Record),
    ("tag", Variable::Tag),
    ("tag_parts", Variable::TagParts),
    ("tag_prefix", Variable::TagPrefix),
    ("tag_suffix", Variable::TagSuffix),
    ("time", Variable::Time),
    ("hostname", Variable::Hostname),
];

/// A compiled expression. It holds no state: one program serves any number of evaluators and threads.
#[derive(Debug)]
pub struct Program {
    pub(crate) body: Node,
    pub(crate) literals: Vec<u8>,
    pub(crate) slots: u32,
    pub(crate) mutates: bool,
    /// Where the expression begins in what was compiled.
    pub(crate) shift: usize,
    undefined: Vec<RubyError>,
}

impl Program {
    /// Compiles an expression, what stands between `#{` and `}` or `${` and `}`.
    ///
    /// # Errors
    /// What is no Ruby, what is not of the subset, and what exceeds a limit; with its place in `code`.
    pub fn expression(code: &str, place: Place) -> Result<Self, RubyError> {
        let tokens = lexer::tokens(code).map_err(|error| *error)?;
        let mut parser = parser(place);
        let body = parser.program(tokens).map_err(|error| *error)?;
        Ok(finish(parser, body))
    }

    /// Compiles a value of record_transformer with Ruby: text in which `${…}` stands for expressions, read as
    /// Fluentd reads it, escapes included (`\n` is a newline).
    ///
    /// With `typecast`, a text that is one expression and nothing else keeps that expression's type; any other gives
    /// a string (fluentd.md section 3.7, `auto_typecast`).
    ///
    /// # Errors
    /// Those of [`expression`](Self::expression); places count in `text`.
    pub fn template(text: &str, typecast: bool, place: Place) -> Result<Self, RubyError> {
        let alone = typecast && text.matches("${").count() == 1;
        if let Some(code) = text
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .filter(|_| alone)
        {
            let mut program = Self::expression(code, place).map_err(|error| error.moved(2))?;
            program.shift = 2;
            program.undefined = std::mem::take(&mut program.undefined)
                .into_iter()
                .map(|error| error.moved(2))
                .collect();
            return Ok(program);
        }
        // Both are two bytes long, so that places stay what they are.
        let quoted = text.replace("${", "#{");
        let parts = lexer::quoted(&quoted).map_err(|error| *error)?;
        let mut parser = parser(place);
        let kind = match parser.pieces(parts).map_err(|error| *error)? {
            Pieces::Plain(text) => Kind::Text(parser.literal(&text)),
            Pieces::Mixed(nodes) => Kind::Interpolated(nodes),
        };
        let body = Node::new(kind, Span::new(0, text.len()));
        Ok(finish(parser, body))
    }

    /// The program `record`.
    pub(crate) fn of_record() -> Self {
        Self {
            body: Node::new(Kind::Variable(Variable::Record), Span::default()),
            literals: Vec::new(),
            slots: 0,
            mutates: false,
            shift: 0,
            undefined: Vec::new(),
        }
    }

    /// Names that nothing defines. Evaluation raises a NameError when it comes to one, as Ruby does; a check reports
    /// them beforehand.
    #[must_use]
    pub fn undefined_names(&self) -> &[RubyError] {
        &self.undefined
    }

    /// An error of evaluation, with the hint that was found when the program was compiled.
    pub(crate) fn hinted(&self, error: RubyError) -> RubyError {
        let is_same = |known: &&RubyError| known.message == error.message;
        let known = self.undefined.iter().find(is_same);
        match known.and_then(|known| known.hint.clone()) {
            Some(hint) if error.hint.is_none() => error.hint(hint),
            _ => error,
        }
    }
}

fn parser(place: Place) -> Parser<'static> {
    Parser::new(match place {
        Place::Configuration => CONFIGURATION,
        Place::Record => RECORD,
    })
}

fn finish(mut parser: Parser<'_>, body: Node) -> Program {
    let names: Vec<&str> = parser.variable_names().collect();
    let undefined = std::mem::take(&mut parser.undefined)
        .into_iter()
        .map(|(name, at)| {
            let error = undefined_name(&name, at);
            match suggest::nearest(&name, names.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None if names.contains(&"record") => {
                    error.hint(format!("a field of the event is `record[\"{name}\"]`"))
                }
                None => error,
            }
        })
        .collect();
    Program {
        body,
        literals: parser.pool,
        slots: parser.slots,
        mutates: parser.mutates,
        shift: 0,
        undefined,
    }
}

pub(crate) fn undefined_name(name: &str, at: Span) -> RubyError {
    RubyError::new(
        crate::error::ErrorKind::Raised("NameError"),
        at,
        format!("undefined local variable or method `{name}'"),
    )
}
