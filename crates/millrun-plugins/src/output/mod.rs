//! Outputs: where events go.

mod copy;
mod exec;
mod file;
mod forward;
mod null;
mod relabel;
mod stdout;

pub(crate) use stdout::Printer;

use millrun_core::Registry;

pub(crate) fn register(registry: &mut Registry) {
    registry.add_output("copy", copy::CopyParameters::SCHEMA, copy::build);
    registry.add_output("exec", exec::ExecParameters::SCHEMA, exec::build);
    registry.add_output("file", file::FileParameters::SCHEMA, file::build);
    registry.add_output(
        "forward",
        forward::ForwardParameters::SCHEMA,
        forward::build,
    );
    registry.add_output("null", null::NullParameters::SCHEMA, null::build);
    registry.add_output(
        "relabel",
        relabel::RelabelParameters::SCHEMA,
        relabel::build,
    );
    registry.add_output("stdout", stdout::StdoutParameters::SCHEMA, stdout::build);
}
