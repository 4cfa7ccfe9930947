//! Inputs: where events come from.

mod forward;

use millrun_core::Registry;

pub(crate) fn register(registry: &mut Registry) {
    registry.add_input("forward", forward::ForwardParameters::SCHEMA, forward::build);
}
