//! The thread: wake up, look, read, hand over, sleep.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use millrun_config::Element;
use millrun_core::{
    Assembly, AtEnd, BatchRing, Emitter, Input, Listeners, PluginId, StartError, Stop,
};
use millrun_event::EventTime;
use tracing::warn;

use crate::parser::{TextKind, parse_section};

use super::block::{BLOCK_BYTES, Block};
use super::encode::Encoder;
use super::files::System;
use super::follow::{Follower, Settings};
use super::ledger_sink::LedgerSink;
use super::lines::MESSAGE_KEY;
use super::parameters::TailParameters;
use super::positions::{Keyed, PositionFile, Stored};
use super::pump::{Pump, refusals};
use super::sink::Sink as _;
use super::team::Team;
use super::wake::{Changes, Wake};
use super::watch::Turn;
use crate::repeats::Repeats;

/// How often everything is looked at that no notification told of. Also the most wake-ups of an
/// idle tail: one per second.
const TICK: Duration = Duration::from_secs(1);

/// How often the position file is brought up to date.
const POSITIONS_INTERVAL: Duration = Duration::from_secs(1);

/// How often the paths are listed at once while that finds directories not yet watched. What
/// comes into one after that is found by the next refresh.
const LISTINGS_MAX: usize = 3;

/// How long a tail whose sink takes nothing waits before it tries again.
const REFUSED_WAIT: Duration = Duration::from_millis(50);

/// A configured tail, not yet running.
pub(crate) struct Tail {
    id: Arc<str>,
    /// What makes the names of its sources last.
    owner: String,
    parameters: TailParameters,
    follower: Follower<System>,
    positions: Option<Positions>,
    ended: Ended,
}

/// What is left of a tail that has ended: positions move on while the outputs empty their buffers.
type Ended = Arc<Mutex<Option<Running>>>;

/// The position file, and what is known of it.
struct Positions {
    file: PositionFile,
    stored: Vec<Stored>,
    keyed: Keyed,
    is_failing: bool,
}

/// Makes a tail of its `<source>`.
pub(crate) fn build(
    element: &Element,
    id: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Box<dyn Input>> {
    let diagnostics = &mut *assembly.diagnostics;
    let parameters = TailParameters::read(element, diagnostics)?;
    let is_sound = parameters.check(element, diagnostics);
    let dated = parameters.dated(element, diagnostics);
    let encoder = encoder(element, id, &parameters, diagnostics);
    let throttle = parameters.throttle(element, diagnostics);
    let (true, Some(dated), Some(encoder), Some(throttle)) = (is_sound, dated, encoder, throttle)
    else {
        return None;
    };
    let team = team(element, id, &parameters, &encoder, assembly.helpers());
    let pump = Pump {
        files: System,
        encoder,
        plugin_id: shown(id),
        clock: EventTime::now,
        lines_max: parameters.read_lines_limit.filter(|limit| *limit > 0),
        block: Block::new(BLOCK_BYTES),
        ring: BatchRing::default(),
        repeats: Repeats::default(),
        refusals: refusals(),
        team,
        throttle,
    };
    let settings = Settings {
        plugin_id: shown(id),
        tag: parameters.tag.clone(),
        paths: parameters.paths(),
        rotate_wait: parameters.rotate_wait,
        read_from_head: parameters.read_from_head,
        ignore_repeated_permission_error: parameters.ignore_repeated_permission_error,
        multiline_flush_interval: parameters.multiline_flush_interval,
        open_on_every_update: parameters.open_on_every_update,
        read_missed_rotations: parameters.read_missed_rotations,
        dated,
    };
    let owner = match (id.given(), &parameters.pos_file) {
        (Some(id), _) => format!("@{id}"),
        (None, Some(path)) => path.display().to_string(),
        (None, None) => id.text.to_string(),
    };
    let follower = Follower::new(settings, pump);
    Some(Box::new(Tail {
        id: Arc::clone(&id.text),
        owner,
        parameters,
        follower,
        positions: None,
        ended: Ended::default(),
    }))
}

/// How log lines name the plugin: by its `@id` alone.
fn shown(id: &PluginId) -> String {
    id.given().unwrap_or_default().to_owned()
}

fn encoder(
    element: &Element,
    id: &PluginId,
    parameters: &TailParameters,
    diagnostics: &mut millrun_config::Diagnostics,
) -> Option<Encoder> {
    let parser = parse_section(element, TextKind::Str, diagnostics)?;
    let section = element.elements_named("parse").next();
    let name = section
        .and_then(Element::plugin_type)
        .or_else(|| element.text("format"));
    let setting = |name| section.and_then(|section| section.text(name));
    let path_key = parameters.path_key.as_deref();
    // Without a parser there is nothing to parse: lines go straight into their entries.
    let mut encoder = if name == Some("none") && setting("estimate_current_event").is_none() {
        let key = setting("message_key").unwrap_or(MESSAGE_KEY);
        Encoder::plain(&shown(id), key, path_key)
    } else {
        Encoder::parsed(&shown(id), parser, path_key)
    };
    encoder.line_bytes_max = parameters.max_line_size.map(|size| size.0);
    encoder.emit_unmatched = parameters.emit_unmatched_lines;
    encoder.charset = parameters.charset();
    Some(encoder)
}

/// Encoders for the helpers and for the thread itself, where there are helpers and lines to parse one by one.
fn team(
    element: &Element,
    id: &PluginId,
    parameters: &TailParameters,
    first: &Encoder,
    helpers: usize,
) -> Team {
    if helpers == 0 || first.is_plain() || first.is_grouped() {
        return Team::new(Vec::new());
    }
    // It was made of the same section before, so there is nothing to be told.
    let mut unheard = millrun_config::Diagnostics::default();
    let others = (0..=helpers).map_while(|_| encoder(element, id, parameters, &mut unheard));
    Team::new(others.map(|other| other.sharing_warnings(first)).collect())
}

impl Input for Tail {
    fn prepare(&mut self, _: &dyn Listeners) -> Result<(), StartError> {
        let Some(path) = &self.parameters.pos_file else {
            return Ok(());
        };
        let keyed = if self.parameters.follow_inodes {
            Keyed::ByInode
        } else {
            Keyed::ByPath
        };
        let (file, stored) = PositionFile::open(path, keyed).map_err(|error| {
            let path = path.display();
            StartError::new(format!(
                "cannot use pos_file {path}: {error} (set it to a file of this source alone that this user may write)"
            ))
        })?;
        self.positions = Some(Positions {
            file,
            stored,
            keyed,
            is_failing: false,
        });
        Ok(())
    }

    fn at_end(&self) -> Option<AtEnd> {
        let ended = Arc::clone(&self.ended);
        Some(Box::new(move || {
            let running = ended.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(mut running) = running {
                running.write_positions();
            }
        }))
    }

    fn run(self: Box<Self>, emitter: Emitter, stop: Stop) {
        let Tail {
            id,
            owner,
            parameters,
            mut follower,
            positions,
            ended,
        } = *self;
        let wake = match Wake::new(&stop, parameters.enable_stat_watcher, &id) {
            Ok(wake) => wake,
            Err(error) => {
                tracing::error!(plugin_id = &*id, %error, "cannot tail: no pipe to be stopped by");
                return;
            }
        };
        follower.pump.team.join(emitter.crew().clone());
        let sink = LedgerSink::new(emitter, id, &owner);
        let mut running = Running {
            parameters,
            follower,
            positions,
            wake,
            sink,
            stop,
        };
        running.run();
        *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
    }
}

/// A tail at work.
struct Running {
    parameters: TailParameters,
    follower: Follower<System>,
    positions: Option<Positions>,
    wake: Wake,
    sink: LedgerSink,
    stop: Stop,
}

impl Running {
    fn run(&mut self) {
        let start = Instant::now();
        let mut next_tick = start + TICK;
        let mut next_positions = start + POSITIONS_INTERVAL;
        let mut next_refresh = start + self.parameters.refresh_interval;
        let compaction = self.parameters.pos_file_compaction_interval;
        let compaction = compaction.map(|interval| interval.max(TICK));
        let mut next_compaction = compaction.map(|interval| start + interval);
        let imported = self.imported();
        self.follower.recover(imported, &mut self.sink);
        if !self.parameters.skip_refresh_on_startup {
            self.refresh(start);
        }
        self.compact_positions();
        while !self.stop.is_set() {
            let now = Instant::now();
            if now >= next_refresh {
                self.refresh(now);
                next_refresh = now + self.parameters.refresh_interval;
                next_tick = now + TICK;
            } else if now >= next_tick {
                self.tick(now);
                // A look at ten thousand files takes a while itself.
                next_tick = Instant::now() + TICK;
            }
            if now >= next_positions {
                self.write_positions();
                next_positions = now + POSITIONS_INTERVAL;
            }
            if next_compaction.is_some_and(|next| now >= next) {
                self.squeeze_positions();
                next_compaction = compaction.map(|interval| now + interval);
            }
            let until_tick = next_tick.min(next_refresh).saturating_duration_since(now);
            let pause = match self.follower.work(now, &mut self.sink) {
                Turn::More => Duration::ZERO,
                // Woken by the chunk that makes room: to sleep would leave a fast destination idle.
                Turn::Refused if !self.sink.has_room() => {
                    self.sink.wait_for_room(REFUSED_WAIT.min(until_tick));
                    Duration::ZERO
                }
                Turn::Refused => REFUSED_WAIT.min(until_tick),
                Turn::Idle | Turn::Resting(_) => until_tick,
            };
            let pause = self
                .follower
                .rest(now)
                .map_or(pause, |rest| pause.min(rest));
            let changes = self.wake.wait(pause);
            if self.notice(changes) && self.follower.settings.paths.has_patterns() {
                // A new name may match a pattern; looking is limited to once per tick.
                next_refresh = next_refresh.min(next_tick);
            }
        }
        self.follower.finish(&mut self.sink);
        self.write_positions();
    }

    /// Lists the paths anew. Directories are watched before they are listed, so that no name slips
    /// through between; where the listing finds further ones, there is another listing.
    fn refresh(&mut self, now: Instant) {
        self.watch_directories();
        for _ in 0..LISTINGS_MAX {
            self.follower
                .refresh(now, SystemTime::now(), &mut self.sink);
            if !self.watch_directories() {
                break;
            }
        }
        self.watch_files();
    }

    fn watch_directories(&mut self) -> bool {
        let directories = self.follower.directories();
        let mut any = false;
        for directory in directories {
            any |= self.wake.watch_directory(&directory);
        }
        any
    }

    fn tick(&mut self, now: Instant) {
        if self.parameters.enable_watch_timer {
            self.follower.check_all(now, &mut self.sink);
            self.watch_files();
        } else {
            self.follower.queue_waiting();
        }
    }

    fn watch_files(&mut self) {
        let Self { follower, wake, .. } = self;
        for (path, id) in follower.current_files() {
            wake.watch_file(path, id);
        }
        wake.keep(|path| follower.follows(path));
    }

    /// Looks at what changed. True when a name appeared that the paths do not name.
    fn notice(&mut self, changes: Changes) -> bool {
        let now = Instant::now();
        let mut is_unknown = false;
        let Changes { files, names } = changes;
        for name in names {
            let path: Arc<Path> = name.into();
            is_unknown |= !self.follower.follows(&path);
            self.look(&path, now);
        }
        for path in files {
            self.look(&path, now);
        }
        is_unknown
    }

    fn look(&mut self, path: &Arc<Path>, now: Instant) {
        self.follower.check(path, now, &mut self.sink);
        if let Some(id) = self.follower.current_file(path) {
            self.wake.watch_file(path, id);
        }
    }

    /// The entries of the position file, if another program wrote it since we did.
    fn imported(&self) -> Vec<Stored> {
        let (Some(positions), Some(path)) = (&self.positions, &self.parameters.pos_file) else {
            return Vec::new();
        };
        if self.sink.position_file(path) == Some(positions.file.hash()) {
            return Vec::new();
        }
        positions.stored.clone()
    }

    fn compact_positions(&mut self) {
        let Self {
            positions,
            follower,
            ..
        } = self;
        let Some(positions) = positions else { return };
        let keyed = positions.keyed;
        let wanted = |entry: &Stored| match keyed {
            Keyed::ByPath => follower.follows(&entry.path),
            Keyed::ByInode => follower.knows_inode(entry.inode),
        };
        let outcome = positions.file.compact(&positions.stored, wanted);
        positions.stored = Vec::new();
        self.settle_positions(outcome.map(|()| true));
    }

    /// Rewrites the position file without what is not needed any more.
    fn squeeze_positions(&mut self) {
        if let Some(positions) = &mut self.positions {
            let outcome = positions.file.squeeze();
            self.settle_positions(outcome.map(|()| true));
        }
    }

    fn write_positions(&mut self) {
        let Self {
            positions,
            follower,
            sink,
            ..
        } = self;
        let Some(positions) = positions else { return };
        let mut outcome = Ok(false);
        for Stored {
            path,
            position,
            inode,
        } in follower.positions(positions.keyed, &*sink)
        {
            match positions.file.set(&path, inode, position) {
                Ok(is_new) => outcome = outcome.map(|was_new| was_new || is_new),
                Err(error) => outcome = Err(error),
            }
        }
        self.settle_positions(outcome);
    }

    fn settle_positions(&mut self, outcome: std::io::Result<bool>) {
        let (Some(positions), Some(path)) = (&mut self.positions, &self.parameters.pos_file) else {
            return;
        };
        match outcome {
            Ok(false) => {}
            Ok(true) => {
                positions.is_failing = false;
                self.sink.note_position_file(path, positions.file.hash());
            }
            // Our own positions are in the ledger, so nothing is lost: told once per failure.
            Err(error) => {
                if !std::mem::replace(&mut positions.is_failing, true) {
                    warn!(%error, "cannot write pos_file {}", path.display());
                }
            }
        }
    }
}
