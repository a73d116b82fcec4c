//! The end of a log at a clean stop.
//!
//! Afterwards the directory is what Kafka would leave: indexes without a tail, a closing time entry, a producer
//! snapshot at the log's end, everything on the medium. Source: UnifiedLog.close, LogManager.shutdown of Kafka 3.9.

use super::{Closed, Health, Log};
use crate::disk::DiskError;
use crate::flush::FlushScope;

impl Log {
    /// Ends the log so that a start has nothing to recover: indexes completed, snapshot written, all synced.
    /// Blocks for the disk. A log that is offline cannot be closed: its files are left for the next start to recover.
    pub fn close(mut self) -> Result<Closed, DiskError> {
        if self.health == Health::Offline {
            let reason = std::io::Error::other("the log is offline after a disk error");
            return Err(DiskError::new("close", &self.dir, &reason));
        }
        self.seal_active()?;
        self.write_snapshot(self.end)?;
        // Nothing is planned twice, so the time does not matter.
        if let Some(plan) = self.flush_plan(FlushScope::Everything, protocol::Millis(0)) {
            let flushed = plan.run()?;
            self.flushed(flushed);
        }
        self.sync_indexes()?;
        Ok(Closed {
            recovery_point: self.batches_end,
            log_start: self.start_to_checkpoint(),
            high_watermark: self.high_watermark,
            partition: self.partition,
        })
    }
}
