//! The end of a log at a clean stop.
//!
//! Afterwards the directory is what Kafka would leave: indexes without a tail, a closing time entry, a producer
//! snapshot at the log's end, everything on the medium. Source: UnifiedLog.close, LogManager.shutdown of Kafka 3.9.

use super::{Closed, Log};
use crate::disk::{DiskError, During, Mode};
use crate::flush::FlushScope;
use crate::names::{INDEX, TIME_INDEX};

impl Log {
    /// Ends the log so that a start has nothing to recover: indexes completed, snapshot written, all synced.
    /// Blocks for the disk.
    pub fn close(mut self) -> Result<Closed, DiskError> {
        self.seal_active()?;
        self.write_snapshot()?;
        // Nothing is planned twice, so the time does not matter.
        if let Some(plan) = self.flush_plan(FlushScope::Everything, protocol::Millis(0)) {
            let flushed = plan.run()?;
            self.flushed(flushed);
        }
        for kind in [INDEX, TIME_INDEX] {
            let path = self.active.segment.path(kind);
            let file = self.disk.open(&path, Mode::Read).during("open", &path)?;
            self.disk.sync(&file).during("sync", &path)?;
        }
        Ok(Closed {
            recovery_point: self.end,
            log_start: self.start_to_checkpoint(),
            high_watermark: self.high_watermark,
            partition: self.partition,
        })
    }
}
