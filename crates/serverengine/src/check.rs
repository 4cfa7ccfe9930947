//! Values of a configuration that cannot work, each refused with its reason before anything is started.

use std::time::Duration;

use crate::WorkerType;
use crate::config::{Config, RestartParallel, WORKERS_MAX};

/// Greatest exit code a process can have.
const EXIT_CODE_MAX: i32 = 255;

/// Greatest file mode creation mask.
const UMASK_MAX: u32 = 0o777;

/// Says what is wrong with a configuration, if anything.
pub(crate) fn check(config: &Config) -> Result<(), String> {
    check_workers(config.workers)?;
    check_ratios(config)?;
    check_times(config)?;
    check_codes(config)?;
    check_combinations(config)
}

/// Returns the number of workers if there can be so many.
pub(crate) fn check_workers(workers: usize) -> Result<usize, String> {
    if (1..=WORKERS_MAX).contains(&workers) {
        Ok(workers)
    } else {
        Err(format!(
            "workers must be 1 to {WORKERS_MAX}, but is {workers}"
        ))
    }
}

fn check_ratios(config: &Config) -> Result<(), String> {
    if config.restart_parallel == RestartParallel::Workers(0) {
        return Err(
            "restart_parallel must be at least 1, or all: with 0 a restart would replace nobody"
                .to_owned(),
        );
    }
    for (name, ratio) in [
        ("start_worker_delay_rand", config.start_worker_delay_rand),
        ("restart_backoff.jitter", config.restart_backoff.jitter),
    ] {
        if !(0.0..=2.0).contains(&ratio) {
            return Err(format!("{name} must be 0 to 2, but is {ratio}"));
        }
    }
    Ok(())
}

fn check_times(config: &Config) -> Result<(), String> {
    for (name, time) in [
        (
            "worker_heartbeat_interval",
            Some(config.worker_heartbeat_interval),
        ),
        (
            "server_heartbeat_interval",
            Some(config.server_heartbeat_interval),
        ),
        ("config_load_timeout", Some(config.config_load_timeout)),
        ("worker_start_timeout", config.worker_start_timeout),
        (
            "worker_graceful_kill_interval",
            config.worker_graceful_kill_interval,
        ),
        (
            "worker_immediate_kill_interval",
            config.worker_immediate_kill_interval,
        ),
        (
            "server_graceful_kill_interval",
            config.server_graceful_kill_interval,
        ),
        (
            "server_immediate_kill_interval",
            config.server_immediate_kill_interval,
        ),
    ] {
        if time.is_some_and(|time| time.is_zero()) {
            return Err(format!("{name} must be more than 0"));
        }
    }
    let (first, max) = (config.restart_backoff.first, config.restart_backoff.max);
    if first > max {
        return Err(format!(
            "restart_backoff.first ({first:?}) must not be more than restart_backoff.max ({max:?})"
        ));
    }
    check_heartbeat(
        "worker",
        config.worker_heartbeat_interval,
        config.worker_heartbeat_timeout,
    )?;
    check_heartbeat(
        "server",
        config.server_heartbeat_interval,
        config.server_heartbeat_timeout,
    )
}

fn check_heartbeat(of: &str, interval: Duration, timeout: Option<Duration>) -> Result<(), String> {
    match timeout {
        Some(timeout) if timeout <= interval => Err(format!(
            "{of}_heartbeat_timeout ({timeout:?}) must be more than {of}_heartbeat_interval ({interval:?})"
        )),
        Some(_) | None => Ok(()),
    }
}

fn check_codes(config: &Config) -> Result<(), String> {
    for code in &config.unrecoverable_exit_codes {
        if !(0..=EXIT_CODE_MAX).contains(code) {
            return Err(format!(
                "unrecoverable_exit_codes must be 0 to {EXIT_CODE_MAX}, but {code} is among them"
            ));
        }
    }
    for (name, mask) in [
        ("chumask", config.chumask),
        ("worker_chumask", config.worker_chumask),
    ] {
        if let Some(mask) = mask
            && mask > UMASK_MAX
        {
            return Err(format!(
                "{name} must be 0o000 to {UMASK_MAX:#o}, but is {mask:#o}"
            ));
        }
    }
    Ok(())
}

fn check_combinations(config: &Config) -> Result<(), String> {
    let changes_workers = config.worker_chuser.is_some()
        || config.worker_chgroup.is_some()
        || config.worker_chumask.is_some();
    let wrong = if changes_workers && config.worker_type.is_threaded() {
        "worker_chuser, worker_chgroup and worker_chumask need workers that are processes"
    } else if config.reserve_worker && config.worker_type != WorkerType::Process {
        "reserve_worker needs workers of the type process: others are not forked"
    } else if config.daemonize && config.logger.as_ref().is_some_and(|it| it.is_stream()) {
        "a daemon's log must be a file: its standard streams lead nowhere"
    } else if config.socket_manager_take_over && config.socket_manager_path.is_none() {
        "socket_manager_take_over needs socket_manager_path: the name the other server has"
    } else if config.exit_on_detach && !config.enable_detach {
        "exit_on_detach needs enable_detach"
    } else if config.enable_detach && !config.supervisor {
        "enable_detach needs supervisor: somebody has to start the new server"
    } else if config.restart_server_process && !config.supervisor {
        "restart_server_process needs supervisor: somebody has to start the new server"
    } else {
        return Ok(());
    };
    Err(wrong.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Backoff;
    use crate::worker::WorkerType;

    #[test]
    fn the_defaults_work() {
        assert_eq!(check(&Config::default()), Ok(()));
    }

    #[test]
    fn b14_a_detach_is_a_stop_unless_live_restart_is_asked_for() {
        let config = Config::default();
        assert!(!config.enable_detach);
        assert!(!config.exit_on_detach);
    }

    #[test]
    fn impossible_values_are_refused_with_the_reason() {
        type Change = fn(&mut Config);
        let cases: [(Change, &str); 21] = [
            (|it| it.workers = 0, "workers must be 1 to 4096, but is 0"),
            (
                |it| it.workers = 4097,
                "workers must be 1 to 4096, but is 4097",
            ),
            (
                |it| it.restart_parallel = RestartParallel::Workers(0),
                "restart_parallel must be at least 1, or all: with 0 a restart would replace nobody",
            ),
            (
                |it| it.start_worker_delay_rand = f64::NAN,
                "start_worker_delay_rand must be 0 to 2, but is NaN",
            ),
            (
                |it| it.restart_backoff.jitter = -0.5,
                "restart_backoff.jitter must be 0 to 2, but is -0.5",
            ),
            (
                |it| {
                    it.restart_backoff = Backoff {
                        first: Duration::from_secs(3),
                        max: Duration::from_secs(2),
                        ..Backoff::default()
                    };
                },
                "restart_backoff.first (3s) must not be more than restart_backoff.max (2s)",
            ),
            (
                |it| it.worker_heartbeat_interval = Duration::ZERO,
                "worker_heartbeat_interval must be more than 0",
            ),
            (
                |it| it.server_heartbeat_interval = Duration::ZERO,
                "server_heartbeat_interval must be more than 0",
            ),
            (
                |it| it.worker_start_timeout = Some(Duration::ZERO),
                "worker_start_timeout must be more than 0",
            ),
            (
                |it| it.worker_immediate_kill_interval = Some(Duration::ZERO),
                "worker_immediate_kill_interval must be more than 0",
            ),
            (
                |it| it.server_graceful_kill_interval = Some(Duration::ZERO),
                "server_graceful_kill_interval must be more than 0",
            ),
            (
                |it| it.worker_heartbeat_timeout = Some(Duration::from_secs(1)),
                "worker_heartbeat_timeout (1s) must be more than worker_heartbeat_interval (1s)",
            ),
            (
                |it| it.server_heartbeat_timeout = Some(Duration::from_millis(500)),
                "server_heartbeat_timeout (500ms) must be more than server_heartbeat_interval (1s)",
            ),
            (
                |it| it.unrecoverable_exit_codes = vec![5, 256],
                "unrecoverable_exit_codes must be 0 to 255, but 256 is among them",
            ),
            (
                |it| it.unrecoverable_exit_codes = vec![-1],
                "unrecoverable_exit_codes must be 0 to 255, but -1 is among them",
            ),
            (
                |it| it.worker_chumask = Some(0o1777),
                "worker_chumask must be 0o000 to 0o777, but is 0o1777",
            ),
            (
                |it| {
                    it.worker_type = WorkerType::Thread;
                    it.worker_chumask = Some(0o022);
                },
                "worker_chuser, worker_chgroup and worker_chumask need workers that are processes",
            ),
            (
                |it| {
                    it.worker_type = WorkerType::Spawn;
                    it.reserve_worker = true;
                },
                "reserve_worker needs workers of the type process: others are not forked",
            ),
            (
                |it| it.exit_on_detach = true,
                "exit_on_detach needs enable_detach",
            ),
            (
                |it| it.enable_detach = true,
                "enable_detach needs supervisor: somebody has to start the new server",
            ),
            (
                |it| it.restart_server_process = true,
                "restart_server_process needs supervisor: somebody has to start the new server",
            ),
        ];
        for (change, reason) in cases {
            let mut config = Config::default();
            change(&mut config);
            assert_eq!(check(&config), Err(reason.to_owned()));
        }
    }
}
