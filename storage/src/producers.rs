//! x
use crate::disk::DiskError;
/// x
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProducerSnapshotError {
    #[error(transparent)]
    Disk(#[from] DiskError),
}
