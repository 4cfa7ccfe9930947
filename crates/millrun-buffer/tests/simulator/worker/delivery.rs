//! What a worker does with a full chunk: writes it, emits it again, or sends it; and what it stores for others.

use std::path::PathBuf;

use millrun_buffer::{
    AppendError, Buffer, Chunk, DestinationError, Durability, LedgerError, Metadata, Origin, Pin,
    Random, Resumption, Seen,
};

use crate::network::Message;
use crate::plan::Output;
use crate::schedule::Sabotage;
use crate::trace;

use super::{Died, Outside, RECEIVERS, Worker, buffer_of, first_line};

impl Worker {
    /// Delivers the next chunk of a buffer.
    pub(crate) fn deliver(&mut self, at: usize, outside: &mut Outside<'_>) -> Result<(), Died> {
        let (output, buffer) = self.buffers[at].clone();
        let chunk = buffer.take();
        for (output, held) in self.held.drain(..) {
            buffer_of(&self.buffers, output).give_back(held);
        }
        let Some(chunk) = chunk else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        let read = chunk.read(&mut bytes).map(<[u8]>::to_vec);
        let bytes = match read {
            Ok(bytes) if outside.random.below(8) > 0 => bytes,
            Ok(_) => {
                buffer.give_back(chunk);
                return Ok(());
            }
            Err(error) => {
                buffer.give_back(chunk);
                return Err(error.into());
            }
        };
        match output {
            Output::Tagged | Output::Filtered | Output::Emitted | Output::Collected => {
                self.write(output, &buffer, chunk, &bytes, outside)
            }
            Output::Answered | Output::Memory => {
                outside.account.arrive(output, &bytes);
                // The answer is lost at times.
                if outside.random.below(4) == 0 {
                    buffer.give_back(chunk);
                } else {
                    buffer.delivered(chunk)?;
                }
                Ok(())
            }
            Output::Relayed => self.emit_again(&buffer, chunk, &bytes, outside),
            Output::Remote => self.send(&buffer, chunk, bytes, outside),
        }
    }

    fn write(
        &mut self,
        output: Output,
        buffer: &Buffer,
        chunk: Chunk,
        bytes: &[u8],
        outside: &mut Outside<'_>,
    ) -> Result<(), Died> {
        let tag = chunk.metadata().tag.as_deref().unwrap_or("all").to_owned();
        // One writer per path: a worker that comes again finds its old files in the hands of the one that took them over.
        let (number, era) = (self.number, self.era);
        let path = PathBuf::from(format!("/out/{}/{tag}.{era}.{number}", output.name()));
        if outside.sabotage == Sabotage::DeliveredEarly {
            let count = bytes.len();
            buffer.delivered(chunk)?;
            let file = self.disk.shared();
            let open = millrun_buffer::disk::Open::Append { must_be_new: false };
            file.create_dir_all(path.parent().unwrap())?;
            file.open(&path, open)?.append(&bytes[..count])?;
            return Ok(());
        }
        let resumed = self.appender.resume(&chunk, bytes);
        let (id, shown) = (chunk.id(), String::from_utf8_lossy(bytes));
        trace(|| format!("{id} to {}, {resumed:?}: {shown}", path.display()));
        let written = match resumed {
            Ok(Resumption::Complete) => Ok(()),
            Ok(Resumption::Fresh) => self.appender.append(&chunk, bytes, &path, false, None),
            Ok(Resumption::Changed(changed)) => {
                // The name of a new file is gone with the power, and its content with it.
                let is_power = outside.plan.durability == Durability::Power;
                assert!(is_power, "nobody else writes to {changed}");
                outside.account.is_counted_for_nothing = true;
                let counts = Some(output.name());
                self.appender.append(&chunk, bytes, &path, false, counts)
            }
            Err(error) => Err(error),
        };
        trace(|| format!("{id} is written: {written:?}"));
        match written {
            Ok(()) => Ok(buffer.delivered(chunk)?),
            Err(DestinationError::Unfinished { .. }) => {
                self.held.push((output, chunk));
                Ok(())
            }
            Err(error) => {
                buffer.give_back(chunk);
                Err(error.into())
            }
        }
    }

    fn emit_again(
        &mut self,
        buffer: &Buffer,
        chunk: Chunk,
        bytes: &[u8],
        outside: &mut Outside<'_>,
    ) -> Result<(), Died> {
        let at = outside.random.below(self.shards.len() as u64) as usize;
        let emitted = || -> Result<(), Died> {
            let mut transaction = self.shards[at].begin(Origin::Local { chunk: chunk.id() })?;
            let (target, count) = (buffer_of(&self.buffers, Output::Emitted), chunk.count());
            transaction.append(
                target,
                &Metadata::EMPTY,
                bytes,
                count,
                &mut first_line,
                outside.now,
            )?;
            Ok(transaction.commit()?)
        };
        match { emitted }() {
            Ok(()) => Ok(buffer.delivered(chunk)?),
            Err(died) => {
                buffer.give_back(chunk);
                Err(died)
            }
        }
    }

    fn send(
        &mut self,
        buffer: &Buffer,
        chunk: Chunk,
        payload: Vec<u8>,
        outside: &mut Outside<'_>,
    ) -> Result<(), Died> {
        let count = outside.plan.receivers.len();
        let names = &RECEIVERS[..count];
        let dispatch = chunk.dispatch();
        let pin = Pin::of(
            dispatch.as_ref(),
            names.iter().copied(),
            outside.plan.in_doubt_timeout,
            outside.now,
        );
        let any = outside.random.below(count as u64) as usize;
        let to = match pin {
            Pin::To { server, .. } if outside.sabotage != Sabotage::Unpinned => server,
            Pin::Unknown { .. } => panic!("all receivers are known"),
            Pin::Free => {
                if dispatch
                    .as_ref()
                    .is_some_and(|sent| *sent.receiver != *names[any])
                {
                    outside.account.may_double(&payload);
                }
                any
            }
            Pin::To { .. } => any,
        };
        let id = chunk.id();
        trace(|| {
            format!(
                "{id} in doubt at {dispatch:?}, {pin:?}, is sent to {}",
                names[to]
            )
        });
        let ticket = match chunk.address("remote", names[to], outside.now) {
            Ok(ticket) => ticket,
            Err(error) => {
                buffer.give_back(chunk);
                return Err(error.into());
            }
        };
        trace(|| format!("{id} has {ticket:?}: {}", String::from_utf8_lossy(&payload)));
        outside.network.send(Message {
            to,
            chunk: chunk.id(),
            ticket,
            payload,
            life: self.life,
        });
        self.under_way.push(chunk);
        Ok(())
    }

    /// A message has come; tells whether it is to be answered.
    pub(crate) fn store(
        &mut self,
        message: &Message,
        outside: &mut Outside<'_>,
    ) -> Result<bool, Died> {
        let (ticket, bytes) = (&message.ticket, &message.payload);
        let Some(claim) = self.state.claim(&ticket.sender)? else {
            return Ok(false);
        };
        let hash = crc32fast::hash(bytes);
        let seen = self.state.seen(&ticket.sender, ticket.sequence, hash)?;
        trace(|| {
            format!(
                "{} at receiver {} worker {}: {seen:?}",
                message.chunk, message.to, self.number
            )
        });
        match seen {
            Seen::Stored if outside.sabotage != Sabotage::ForgetsPeers => return Ok(true),
            Seen::Otherwise => panic!("two chunks of one number"),
            Seen::InFiles => panic!("there is no memory buffer here"),
            Seen::Stored | Seen::Never => {}
        }
        let at = outside.random.below(self.shards.len() as u64) as usize;
        let mut transaction = self.shards[at].begin(Origin::Peer {
            sender: ticket.sender,
            sequence: ticket.sequence,
            lowest: ticket.lowest,
            hash,
        })?;
        let buffer = buffer_of(&self.buffers, Output::Collected);
        let count = bytes.split_inclusive(|byte| *byte == b'\n').count() as u64;
        transaction.append(
            buffer,
            &Metadata::EMPTY,
            bytes,
            count,
            &mut first_line,
            outside.now,
        )?;
        if outside.sabotage == Sabotage::AnswersEarly {
            outside.network.answer(message.chunk, message.life);
        }
        if outside.random.below(8) == 0 {
            return Ok(false);
        }
        let committed = transaction.commit();
        trace(|| format!("{} is stored: {committed:?}", message.chunk));
        if let Err(AppendError::Ledger(LedgerError::Broken { .. })) = &committed {
            self.state.keep(claim);
        }
        committed?;
        Ok(true)
    }

    /// An answer has come.
    pub(crate) fn answered(
        &mut self,
        chunk: millrun_buffer::ChunkId,
        life: u64,
    ) -> Result<(), Died> {
        let is_it = |under_way: &Chunk| under_way.id() == chunk && life == self.life;
        let Some(at) = self.under_way.iter().position(is_it) else {
            return Ok(());
        };
        let chunk = self.under_way.swap_remove(at);
        Ok(buffer_of(&self.buffers, Output::Remote).delivered(chunk)?)
    }

    /// The worker has waited for an answer long enough.
    pub(crate) fn give_up(&mut self, random: &mut Random) {
        let at = random.below(self.under_way.len() as u64) as usize;
        if at < self.under_way.len() {
            let chunk = self.under_way.swap_remove(at);
            buffer_of(&self.buffers, Output::Remote).give_back(chunk);
        }
    }
}
