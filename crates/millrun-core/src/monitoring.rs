//! What a person may ask of a running pipeline.

use crate::buffered::BufferedNode;

/// Says in the log what an output has done and what its buffer holds, under the names of Fluentd's monitoring
/// (fluentd.md section 3.5). An output whose buffer is not open yet is left out.
pub(crate) fn report(node: &BufferedNode) {
    let Some(buffer) = node.buffer() else { return };
    let (done, held) = (node.statistics(), buffer.statistics());
    tracing::info!(
        plugin_id = &*node.id.text,
        buffer_queue_length = held.queue_length,
        buffer_queue_byte_size = held.queue_byte_size,
        buffer_stage_length = held.stage_length,
        buffer_stage_byte_size = held.stage_byte_size,
        buffer_total_queued_size = held.total_queued_size,
        buffer_available_buffer_space_ratios = held.available_buffer_space_ratios,
        oldest_timekey = held.oldest_timekey,
        newest_timekey = held.newest_timekey,
        retry_count = done.retry_count,
        emit_count = done.emit_count,
        emit_records = done.emit_records,
        emit_size = done.emit_size,
        write_count = done.write_count,
        write_secondary_count = done.write_secondary_count,
        rollback_count = done.rollback_count,
        flush_time_count = done.flush_time_count,
        slow_flush_count = done.slow_flush_count,
        drop_oldest_chunk_count = done.drop_oldest_chunk_count,
        "statistics of an output"
    );
}
