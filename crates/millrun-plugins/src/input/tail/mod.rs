//! in_tail
mod block;
mod encode;
mod files;
mod follow;
mod glob;
mod life;
mod lines;
mod paths;
mod positions;
mod pump;
mod repeats;
mod search;
mod sink;
mod watch;
#[cfg(test)]
mod model;
