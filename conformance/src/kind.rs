use crate::case::{Case, Unplayable};
use crate::difference::Difference;
use crate::live::{self, World};
use crate::pure;

/// How the cases of a kind are played.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// By a function of the libraries, in this process.
    Pure(pure::Player),
    /// Against the running program.
    Live(live::Player, Pace),
}

/// What the cases of a live kind do most of the time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// They look at what is there at once.
    Brisk,
    /// They wait for what may come.
    Waiting,
}

/// Every kind, by the name of its file.
///
/// Of each there is one player, here; whoever wants to see a kind played asks this table.
const KINDS: [(&str, Kind); 29] = [
    ("accessor", Kind::Pure(pure::accessor)),
    ("accessor_delete", Kind::Pure(pure::accessor_delete)),
    ("accessor_path", Kind::Pure(pure::accessor_path)),
    ("buffer", Kind::Live(live::scenario, Pace::Waiting)),
    ("bytes", Kind::Pure(pure::bytes)),
    ("config", Kind::Pure(pure::config)),
    ("filter", Kind::Pure(pure::filter)),
    ("formatter", Kind::Pure(pure::formatter)),
    ("handshake", Kind::Live(live::scenario, Pace::Brisk)),
    ("match", Kind::Pure(pure::match_pattern)),
    ("net_extra", Kind::Live(live::scenario, Pace::Waiting)),
    ("network", Kind::Live(live::network, Pace::Brisk)),
    ("out_file", Kind::Live(live::scenario, Pace::Brisk)),
    ("out_forward", Kind::Live(live::scenario, Pace::Waiting)),
    ("parser", Kind::Pure(pure::parser)),
    ("parser_config_error", Kind::Pure(pure::parser_config_error)),
    ("placeholder", Kind::Pure(pure::placeholder)),
    ("process", Kind::Live(live::scenario, Pace::Waiting)),
    ("retry", Kind::Pure(pure::retry)),
    ("routing", Kind::Live(live::scenario, Pace::Brisk)),
    ("rule", Kind::Pure(pure::rule)),
    ("tail", Kind::Live(live::tail, Pace::Brisk)),
    ("time_format", Kind::Pure(pure::time_format)),
    ("time_parse", Kind::Pure(pure::time_parse)),
    ("timezone", Kind::Pure(pure::timezone)),
    ("types", Kind::Pure(pure::types)),
    ("value", Kind::Pure(pure::value)),
    ("wire", Kind::Pure(pure::wire)),
    ("yaml", Kind::Pure(pure::yaml)),
];

impl Kind {
    /// The kind of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let found = KINDS.iter().find(|(known, _)| *known == name);
        found.map(|(_, kind)| *kind)
    }

    /// Whether playing all of its cases takes minutes.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Self::Live(_, Pace::Waiting))
    }

    /// Whether its cases need the running program.
    pub(crate) fn is_live(self) -> bool {
        matches!(self, Self::Live(..))
    }

    /// Plays a case: every place where it does not do what was recorded.
    pub(crate) fn play(self, case: &Case, world: &World) -> Result<Vec<Difference>, Unplayable> {
        match self {
            Self::Pure(player) => Ok(pure::difference(case, player(case)?).into_iter().collect()),
            Self::Live(player, _) => player(case, world),
        }
    }
}
