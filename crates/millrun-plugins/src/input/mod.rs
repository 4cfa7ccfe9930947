//! Inputs: where events come from.

mod forward;
mod tail;

use millrun_core::Registry;

pub(crate) use tail::rewritten_positions;

pub(crate) fn register(registry: &mut Registry) {
    registry.add_input(
        "forward",
        forward::ForwardParameters::SCHEMA,
        forward::build,
    );
    registry.add_input_of_one_worker("tail", tail::TailParameters::SCHEMA, tail::build);
}
