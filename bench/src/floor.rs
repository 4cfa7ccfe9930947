//! The floor: a program that does the bare work of a scenario and nothing else, in the same way as the contenders do it: in a
//! process of its own, from the same file or connection, to the same receiver.
//!
//! | work | what is done with each block of 256 KiB |
//! |---|---|
//! | frame | its lines become entries of the forward protocol: a constant head, the length, the text |
//! | validate | the same, and serde_json checks each line |
//! | keep | the same as frame, and the entries are written to a file besides |
//! | copy | nothing |
//!
//! No position is kept, nothing is repeated, nothing can be configured: it shows what of a figure is the machine's.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::de::IgnoredAny;

use crate::feeder::frame;

/// Bytes of one read.
const BLOCK: usize = 256 * 1024;

/// Does what the file of words at `path` says, then waits to be ended.
pub(crate) fn run(path: &str) -> Result<()> {
    if path == "--version" {
        println!("the bare work");
        return Ok(());
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let mut next = || {
        lines
            .next()
            .context("three lines of two words are expected")
    };
    let (from, work, to) = (next()?, next()?, next()?);
    let input: Box<dyn Read> = match from {
        ("file", path) => Box::new(File::open(path)?),
        (_, port) => Box::new(accept(port.parse()?)?),
    };
    let output: Box<dyn Write> = match to {
        ("file", path) => Box::new(File::create(path)?),
        (_, port) => Box::new(TcpStream::connect((Ipv4Addr::LOCALHOST, port.parse()?))?),
    };
    pass(input, work, output)?;
    // Who started it ends it, as it ends the others.
    loop {
        thread::sleep(Duration::from_secs(1));
    }
}

fn accept(port: u16) -> Result<TcpStream> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.accept()?.0)
}

fn pass(mut input: impl Read, work: (&str, &str), mut output: impl Write) -> Result<()> {
    let mut kept = match work {
        ("keep", path) => Some(File::create(Path::new(path))?),
        _ => None,
    };
    let mut block = vec![0; BLOCK];
    let mut entries = Vec::with_capacity(2 * BLOCK);
    // Bytes at the front of the block that are the beginning of a line.
    let mut begun = 0;
    loop {
        let space = block.get_mut(begun..).unwrap_or_default();
        let read = input.read(space)?;
        if read == 0 {
            return Ok(());
        }
        let filled = begun + read;
        let bytes = block.get(..filled).unwrap_or_default();
        if work.0 == "copy" {
            output.write_all(bytes)?;
            continue;
        }
        let Some(last) = memchr::memrchr(b'\n', bytes) else {
            bail!("a line is longer than a block");
        };
        let lines = bytes.get(..=last).unwrap_or_default();
        if work.0 == "validate" {
            for line in lines
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                serde_json::from_slice::<IgnoredAny>(line)?;
            }
        }
        entries.clear();
        frame(lines, &mut entries);
        if let Some(file) = &mut kept {
            file.write_all(&entries)?;
        }
        output.write_all(&entries)?;
        block.copy_within(last + 1..filled, 0);
        begun = filled - last - 1;
    }
}
