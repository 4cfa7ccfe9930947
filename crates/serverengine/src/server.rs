//! The server: what the user may add to it, and its role as a control process.

use std::io;
use std::sync::Arc;

use crate::BoxError;
use crate::belongings::Belongings;
use crate::check::check_workers;
use crate::config::{Config, reload};
use crate::control::{
    Birth, Control, Cradle, Kind, Load, Logging, Role, StopsBy, Upstream, guarded, take_signals,
};
use crate::core::{Change, Command, Delegation, Mode, Policy, Repeat, SlotId};
use crate::dump::DumpRules;
use crate::loading::Loader;
use crate::log::Level;
use crate::privilege::{self, Identity};
use crate::signals::Signal;
use crate::sys;
use crate::worker::process::{Settings, be_worker};
use crate::worker::program::{Program, be_program};
use crate::worker::reserve::be_reserve;
use crate::worker::thread::start_worker;
use crate::worker::{CommandSender, Worker, WorkerType};

/// Exit code of a server that could not do its work.
const EXIT_ERROR: i32 = 1;

/// Hooks of the server.
///
/// ```text
///   in the supervisor, or without one in the server process
///     initialize               each time a server is about to be started
///   in the supervisor
///     after_start              when the server process was forked
///     reload_config            with each reload and restart, unless Config::disable_reload
///   in the server process, on its one thread
///     install_signal_handlers  before_run     [workers live]     after_run
///     stop, restart, dump, detach              with the command, before anything is done about it
///     reload_config                            with each reload and restart
///     reload                                   with a reload, when reload_config has succeeded
/// ```
///
/// A supervisor has a copy of its own of this value. Each server process begins with what that copy is at
/// the fork, so what `initialize` and the supervisor's `reload_config` did lasts, and what a server process
/// did ends with it.
///
/// Hooks must not leave a thread running: a process with threads cannot fork workers safely, and the
/// engine refuses. One that panics has failed, with what the panic says: `before_run` ends the server,
/// `reload_config` and `workers` refuse the new configuration, the others are logged, and the server goes
/// on. They hold up the control loop while they run; under a supervisor, `reload_config` must
/// take less than [`Config::server_heartbeat_timeout`], or the server counts as frozen. `()` is a server
/// without hooks.
pub trait Server {
    /// Prepares a server that is about to be started: in the supervisor before each fork of a server,
    /// without a supervisor once.
    ///
    /// # Errors
    ///
    /// Whatever makes it pointless to start. At the first start everything ends with status 1; later the
    /// supervisor tries again, ever more slowly.
    fn initialize(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    /// Is called in the supervisor when it has forked a server process.
    fn after_start(&mut self, process_id: u32) {
        let _ = process_id;
    }

    /// Is called in the server process, before `before_run`: the place to handle signals that the engine
    /// does not take over. Those of [`Signal`] are the engine's; [`Config::signals`] says what they mean.
    fn install_signal_handlers(&mut self) {}

    /// Is told the configuration, in the server process: before `before_run`, and before `reload_config`
    /// when it was loaded anew.
    ///
    /// # Errors
    ///
    /// What cannot work. At the start the server ends with status 1; later it is logged, nothing is reloaded
    /// or restarted, and this is called again with the configuration that is still in use.
    fn configure(&mut self, config: &Config) -> Result<(), BoxError> {
        let _ = config;
        Ok(())
    }

    /// Is called once, before any worker exists. What it opens or builds, workers inherit.
    ///
    /// # Errors
    ///
    /// Whatever makes it pointless to start. The server ends with status 1, `after_run` is not called.
    fn before_run(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    /// Is called when the last worker has ended, before the process does.
    fn after_run(&mut self) {}

    /// Is told that the server was asked to stop, gracefully or at once; it will.
    fn stop(&mut self, graceful: bool) {
        let _ = graceful;
    }

    /// Is told that the workers were asked to be replaced, gracefully or at once.
    fn restart(&mut self, graceful: bool) {
        let _ = graceful;
    }

    /// Is told of a reload, after `reload_config` and before the workers are.
    fn reload(&mut self) {}

    /// Writes down what a person needs to see what this server is doing.
    fn dump(&mut self) {}

    /// Is told that the server finishes since another one takes over, or since nobody is to; `stop`
    /// follows.
    fn detach(&mut self) {}

    /// Loads the configuration anew, before a reload and before a restart. Workers that are started from
    /// then on see what it changed.
    ///
    /// # Errors
    ///
    /// What is wrong with the new configuration. It is logged, and nothing is reloaded or restarted.
    fn reload_config(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    /// Returns the application's configuration for its workers, in whatever form they can read, in place
    /// of [`Config::application`]. It is
    /// asked for after `before_run` and after each successful `reload_config`. Workers find it in
    /// [`WorkerContext::config`](crate::WorkerContext::config): those of all types but `spawn`, also
    /// those that run already.
    fn worker_config(&self) -> Option<String> {
        None
    }

    /// Returns how many workers there are to be. It is asked for after `before_run` and after each
    /// successful `reload_config`; `None`: as many as before, at first [`Config::workers`]. Missing ones start at once, surplus ones, those with the highest numbers, stop gracefully.
    fn workers(&self) -> Option<usize> {
        None
    }
}

impl Server for () {}

/// What is above a server.
pub(crate) enum Above {
    Supervisor(Upstream),
    /// It is the topmost process.
    Nobody(Belongings),
}

/// Is the server process: starts, runs until told to stop, and returns the exit code.
pub(crate) fn serve<S, F, W>(mut server: S, build_worker: F, loader: Loader, above: Above) -> i32
where
    S: Server,
    F: FnMut(usize) -> W,
    W: Worker,
{
    let config = &loader.config.clone();
    let fatal = |text: &str| {
        config.log.log(Level::Fatal, text);
        EXIT_ERROR
    };
    if let Err(error) = take_signals() {
        return fatal(&format!("cannot take the signals over: {error}"));
    }
    if let Some(name) = &config.server_process_name {
        // A name is a convenience.
        let _ = sys::set_name(name);
        sys::set_title(name);
    }
    let identity = match worker_identity(config) {
        Ok(identity) => identity,
        Err(text) => return fatal(&format!("configuration: {text}")),
    };
    let (upstream, belongings) = match above {
        Above::Supervisor(upstream) => (Some(upstream), Belongings::default()),
        Above::Nobody(belongings) => (None, belongings),
    };
    let is_topmost = upstream.is_none();
    if let Err(error) = begin(&mut server, config, is_topmost) {
        return fatal(&format!("the server could not start: {error}"));
    }
    let policy = match policy_of(&server, policy(config)) {
        Ok(policy) => policy,
        Err(text) => return fatal(&format!("configuration: {text}")),
    };
    let logging = match Logging::new(config, upstream.is_none()) {
        Ok(logging) => logging,
        Err(error) => return fatal(&format!("cannot watch the logger process: {error}")),
    };
    let role = ServerRole {
        server,
        build_worker,
        embedded: None,
        worker_type: config.worker_type,
        command_sender: config.command_sender,
        reload_signal: config.worker_reload_signal.map(Signal::number),
        reserve: config.reserve_worker,
        settings: settings(config, identity),
        policy: policy.clone(),
        loader,
    };
    match Control::new(
        role,
        policy,
        config.signals,
        logging,
        upstream,
        config.listener_release_after,
    )
    .and_then(|control| control.with_belongings(belongings, config.daemonize))
    .and_then(Control::run)
    {
        Ok((mut role, code, _last)) => {
            // Whatever it does, the workers have ended, and this process does.
            let ended = guarded("after_run", || {
                role.server.after_run();
                Ok(())
            });
            if let Err(error) = ended {
                config.log.log(Level::Error, &error);
            }
            code
        }
        Err(error) => fatal(&format!("the server's control loop failed: {error}")),
    }
}

struct ServerRole<S, F, W> {
    server: S,
    build_worker: F,
    /// The one worker of the type `embedded`, which lives as long as the server.
    embedded: Option<Arc<W>>,
    worker_type: WorkerType,
    command_sender: CommandSender,
    reload_signal: Option<i32>,
    reserve: bool,
    settings: Settings,
    /// What the configuration asks for.
    policy: Policy,
    loader: Loader,
}

/// A worker before its start.
struct Unborn<W> {
    worker: Arc<W>,
    /// What is to run, for the type `spawn`.
    program: Option<Program>,
}

impl<S, F, W> Role for ServerRole<S, F, W>
where
    S: Server,
    F: FnMut(usize) -> W,
    W: Worker,
{
    type Body = Unborn<W>;

    // What a worker leaves in its process group goes with it; what it put elsewhere may be on purpose.
    const KILLS_SURVIVORS: bool = false;
    const CHILDREN_CONTROL: bool = false;

    fn kind(&self) -> Kind {
        if self.worker_type.is_threaded() {
            Kind::Thread
        } else {
            Kind::Process
        }
    }

    fn stops_by(&self) -> StopsBy {
        match (self.worker_type, self.command_sender) {
            (WorkerType::Thread | WorkerType::Embedded, _) => StopsBy::Orders,
            (WorkerType::Spawn, CommandSender::Pipe) => StopsBy::Words,
            (WorkerType::Spawn, CommandSender::Signal) | (WorkerType::Process, _) => {
                StopsBy::Signals
            }
        }
    }

    fn takes_orders(&self) -> bool {
        self.worker_type != WorkerType::Spawn
    }

    fn reload_signal(&self) -> Option<i32> {
        self.reload_signal
    }

    fn prepare(&mut self, slot: SlotId) -> Result<Unborn<W>, String> {
        if self.worker_type == WorkerType::Embedded {
            let build = || Arc::new((self.build_worker)(slot));
            let worker = Arc::clone(self.embedded.get_or_insert_with(build));
            let program = None;
            return Ok(Unborn { worker, program });
        }
        let worker = Arc::new((self.build_worker)(slot));
        worker.before_fork();
        let program = match self.worker_type {
            WorkerType::Spawn => Some(worker.spawn().map_err(|error| error.to_string())?),
            WorkerType::Process | WorkerType::Thread | WorkerType::Embedded => None,
        };
        Ok(Unborn { worker, program })
    }

    fn be_child(&mut self, unborn: Unborn<W>, birth: Birth) -> ! {
        match unborn.program {
            Some(program) => {
                be_program(program, birth, &self.settings.identity, &self.settings.log)
            }
            None => be_worker(unborn.worker, birth, self.settings.clone()),
        }
    }

    fn keeps_reserve(&self) -> bool {
        self.reserve
    }

    fn be_reserve(&mut self, cradle: Cradle) -> ! {
        let settings = self.settings.clone();
        be_reserve(|slot| Arc::new((self.build_worker)(slot)), cradle, settings)
    }

    fn start_thread(&mut self, unborn: &Unborn<W>, birth: Birth) -> io::Result<()> {
        start_worker(&unborn.worker, birth, &self.settings)
    }

    fn after_start(&mut self, unborn: Unborn<W>, pid: i32) {
        if self.worker_type != WorkerType::Embedded {
            unborn.worker.after_start(pid.unsigned_abs());
        }
    }

    fn worker_config(&self) -> Option<String> {
        self.server.worker_config().or_else(|| {
            let application = &self.loader.config.application;
            (!application.is_empty()).then(|| application.to_json())
        })
    }

    fn loader(&mut self) -> Option<&mut Loader> {
        Some(&mut self.loader)
    }

    fn load_config(&mut self, _change: Change, loaded: Option<&str>) -> Result<Load, String> {
        let Some(text) = loaded else {
            self.call_reload_hook()?;
            self.policy = policy_of(&self.server, self.policy.clone())?;
            return Ok(Load {
                policy: Some(Box::new(self.policy.clone())),
                ..Load::default()
            });
        };
        let changed = reload::read(text, &self.loader.config)?;
        let config = changed.config;
        let settings = settings(&config, worker_identity(&config)?);
        let hooks = self
            .server
            .configure(&config)
            .map_err(|error| error.to_string())
            .and_then(|()| self.call_reload_hook())
            .and_then(|()| policy_of(&self.server, policy(&config)));
        self.policy = match hooks {
            Ok(policy) => policy,
            Err(message) => {
                // It was content with this one before.
                let _ = self.server.configure(&self.loader.config);
                return Err(message);
            }
        };
        if let Some(logger) = &config.logger {
            logger.set_level(changed.log_level);
        }
        self.settings = settings;
        self.reserve = config.reserve_worker;
        self.loader.config = config.clone();
        Ok(Load {
            policy: Some(Box::new(self.policy.clone())),
            config: Some(config),
            fixed: changed.fixed,
        })
    }

    fn hook(&mut self, command: Command) {
        match command {
            Command::Stop(mode) => self.server.stop(mode == Mode::Graceful),
            Command::Restart(mode) => self.server.restart(mode == Mode::Graceful),
            Command::Reload => self.server.reload(),
            Command::Dump => self.server.dump(),
            Command::Detach => self.server.detach(),
            Command::Forward(_) => {}
        }
    }
}

impl<S: Server, F, W> ServerRole<S, F, W> {
    fn call_reload_hook(&mut self) -> Result<(), String> {
        self.server
            .reload_config()
            .map_err(|error| error.to_string())
    }
}

/// Returns the rules, with as many workers as the server wants.
/// Calls the hooks that come before everything else, and says which one has failed by a panic.
fn begin<S: Server>(server: &mut S, config: &Config, is_topmost: bool) -> Result<(), String> {
    let words = |result: Result<(), BoxError>| result.map_err(|error| error.to_string());
    if is_topmost {
        guarded("initialize", || words(server.initialize()))?;
    }
    guarded("install_signal_handlers", || {
        server.install_signal_handlers();
        Ok(())
    })?;
    guarded("configure", || words(server.configure(config)))?;
    guarded("before_run", || words(server.before_run()))
}

fn policy_of<S: Server>(server: &S, policy: Policy) -> Result<Policy, String> {
    Ok(match server.workers() {
        Some(workers) if policy.may_scale => Policy {
            slots: check_workers(workers)?,
            ..policy
        },
        Some(_) | None => policy,
    })
}

/// Looks up who workers are to be.
pub(crate) fn worker_identity(config: &Config) -> Result<Identity, String> {
    Identity::resolve(
        privilege::WORKER,
        config.worker_chuser.as_deref(),
        config.worker_chgroup.as_deref(),
        config.worker_chumask,
    )
}

fn settings(config: &Config, identity: Identity) -> Settings {
    Settings {
        identity,
        name: config.worker_process_name.clone(),
        explicit_readiness: config.explicit_readiness,
        heartbeat_interval: config.worker_heartbeat_interval,
        teardown_timeout: config.worker_graceful_kill_timeout,
        signals: config.signals,
        dump: DumpRules::of(config),
        log: Arc::clone(&config.log),
    }
}

fn policy(config: &Config) -> Policy {
    Policy {
        noun: "Worker",
        slots: match config.worker_type {
            WorkerType::Embedded => 1,
            WorkerType::Process | WorkerType::Thread | WorkerType::Spawn => config.workers,
        },
        start_delay: config.start_worker_delay,
        start_delay_rand: config.start_worker_delay_rand,
        restart_interval: config.restart_worker_interval,
        backoff: config.restart_backoff,
        start_timeout: config.worker_start_timeout,
        // Threads are as alive as the server, programs do not know how to say that they are.
        heartbeat_timeout: match config.worker_type {
            WorkerType::Process => config.worker_heartbeat_timeout,
            WorkerType::Thread | WorkerType::Embedded | WorkerType::Spawn => None,
        },
        graceful_timeout: config.worker_graceful_kill_timeout,
        immediate_timeout: config.worker_immediate_kill_timeout,
        restart_parallel: config.restart_parallel.limit(),
        unrecoverable_exit_codes: config.unrecoverable_exit_codes.clone(),
        stop_at_unrecoverable_exit: config.stop_immediately_at_unrecoverable_exit,
        restart: Delegation::Here,
        may_scale: config.worker_type != WorkerType::Embedded,
        graceful_repeat: Repeat::every(
            config.worker_graceful_kill_interval,
            config.worker_graceful_kill_interval_increment,
        ),
        immediate_repeat: Repeat::every(
            config.worker_immediate_kill_interval,
            config.worker_immediate_kill_interval_increment,
        ),
        detach: None,
    }
}

/// Turns a code of the core into one a process can exit with.
pub(crate) fn exit_status(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}
