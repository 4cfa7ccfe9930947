//! The thread that looks after stages: what they held long enough goes on, also when nothing comes any more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use millrun_event::EventTime;

use crate::passage::Failure;
use crate::stage::Due;
use crate::stop::Stop;
use crate::workplace::Workplace;

/// How often it looks. Timeouts of stages are seconds.
pub const RELEASE_POLL: Duration = Duration::from_millis(100);

/// The shards whose stages may hold something.
pub(crate) type Workplaces = Arc<[Arc<Mutex<Workplace>>]>;

/// Releases what is due until `stop`.
pub(crate) fn run(places: &Workplaces, stop: &Stop) {
    while !stop.wait(RELEASE_POLL) {
        for place in places.iter() {
            let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
            let now = EventTime::now();
            if place.next_due().is_some_and(|due| due <= now) {
                // What found no room is tried again at the next look.
                let _ = place.release(Due::At(now));
            }
        }
    }
}

/// Releases everything, now that the sources have ended. What finds no room until the deadline stays in the ledgers.
pub(crate) fn finish(places: &Workplaces, deadline: Instant) {
    for place in places.iter() {
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        while place.next_due().is_some() {
            match place.release(Due::Now(EventTime::now())) {
                Ok(()) => {}
                Err(Failure::Overflow(..)) if Instant::now() < deadline => {
                    std::thread::sleep(RELEASE_POLL);
                }
                Err(failure) => {
                    let error = match failure {
                        Failure::Overflow(_, text) => text,
                        Failure::Error(error) => error.to_string(),
                    };
                    tracing::warn!(
                        error,
                        "events that a filter held back could not be passed on before the end; \
                        they are kept with the buffers where these are files"
                    );
                    break;
                }
            }
        }
    }
}
