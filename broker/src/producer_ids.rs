//! Producer ids for idempotent producers, a thousand at a time from `/latest_producer_id_block`.
//!
//! Owns the broker's blocks; `next` is all that InitProducerId needs. Invariant: no id is given twice in a cluster, because a
//! block is ours only after a conditional write that ZooKeeper confirmed; whatever is in doubt is left unused.
//! Source: Kafka 3.9 `ZkProducerIdManager.getNewProducerIdBlock`, `RPCProducerIdManager` (prefetch).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::{BrokerId, ProducerId};
use thiserror::Error;
use tokio::sync::Semaphore;
use tracing::{info, warn};
use zookeeper::paths;
use zookeeper::session::create_all;
use zookeeper::store::{Expected, MetadataStore, Refusal, StoreError, Watch};
use zookeeper::znodes::{ProducerIdBlock, ZnodeError};

/// ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE
const BLOCK_SIZE: i64 = 1000;
/// The next block is fetched when so few are left (RPCProducerIdManager: 90 % are used).
const PREFETCH_LEFT: i64 = BLOCK_SIZE / 10;

#[derive(Debug)]
pub(crate) struct ProducerIds {
    store: Arc<dyn MetadataStore>,
    broker: BrokerId,
    blocks: Mutex<Blocks>,
    /// One fetch at a time.
    fetching: Semaphore,
}

/// The ids at hand: what is left of one block, and the whole next one.
#[derive(Debug, Default, PartialEq, Eq)]
struct Blocks {
    current: Option<ProducerIdBlock>,
    next: Option<ProducerIdBlock>,
}

#[derive(Debug, Error)]
pub(crate) enum ProducerIdError {
    #[error("{}: all producer ids have been given out", paths::PRODUCER_ID_BLOCK)]
    Exhausted,
    #[error(transparent)]
    Znode(#[from] ZnodeError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ProducerIds {
    pub(crate) fn new(store: Arc<dyn MetadataStore>, broker: BrokerId) -> ProducerIds {
        ProducerIds { store, broker, blocks: Mutex::default(), fetching: Semaphore::new(1) }
    }

    /// An id that nobody else has. Waits for ZooKeeper only where a block has run out.
    pub(crate) async fn next(&self) -> Result<ProducerId, ProducerIdError> {
        loop {
            let (id, low) = {
                let mut blocks = self.blocks();
                (blocks.take(), blocks.are_low())
            };
            match id {
                Some(id) if low => {
                    self.prefetch().await;
                    return Ok(id);
                }
                Some(id) => return Ok(id),
                None => self.fetch().await?,
            }
        }
    }

    /// Whoever takes an id when few are left fetches for all; the others go on. A failure is the next one's to mend.
    async fn prefetch(&self) {
        let Ok(_turn) = self.fetching.try_acquire() else { return };
        if let Err(error) = self.fetch_in_turn().await {
            warn!(%error, "the next block of producer ids could not be taken ahead of time");
        }
    }

    async fn fetch(&self) -> Result<(), ProducerIdError> {
        // The semaphore is never closed; if it were, two fetches at a time would do no harm.
        let _turn = self.fetching.acquire().await;
        self.fetch_in_turn().await
    }

    async fn fetch_in_turn(&self) -> Result<(), ProducerIdError> {
        // Another may have fetched while this one waited for its turn.
        if self.blocks().are_low() {
            let block = allocate(&*self.store, self.broker).await?;
            self.blocks().add(block);
        }
        Ok(())
    }

    /// A panic elsewhere cannot leave the blocks half changed, so the lock's poison means nothing.
    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blocks {
    fn take(&mut self) -> Option<ProducerId> {
        let block = self.current.take().or_else(|| self.next.take())?;
        if block.first < block.last {
            self.current = Some(ProducerIdBlock { first: ProducerId(block.first.0 + 1), ..block });
        }
        Some(block.first)
    }

    fn are_low(&self) -> bool {
        let left = self.current.map_or(0, |block| block.last.0 - block.first.0 + 1);
        self.next.is_none() && left <= PREFETCH_LEFT
    }

    fn add(&mut self, block: ProducerIdBlock) {
        match self.current {
            None => self.current = Some(block),
            Some(_) => self.next = Some(block),
        }
    }
}

/// Takes the block after the latest one by a conditional write. Where the outcome is unknown it takes another: the ids in
/// doubt are given to nobody.
async fn allocate(store: &dyn MetadataStore, broker: BrokerId) -> Result<ProducerIdBlock, ProducerIdError> {
    let path = paths::PRODUCER_ID_BLOCK;
    loop {
        let node = match store.get(path, Watch::None).await {
            Ok(node) => node,
            Err(StoreError::Refused { refusal: Refusal::NoNode, .. }) => {
                create_all(store, path).await?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let latest = ProducerIdBlock::decode(path, &node.data)?;
        let block = after(latest, broker).ok_or(ProducerIdError::Exhausted)?;
        match store.set(path, block.encode(), Expected::Version(node.stat.version)).await {
            Ok(_) => {
                info!(first = %block.first, last = %block.last, "took a block of producer ids");
                return Ok(block);
            }
            Err(
                StoreError::Refused { refusal: Refusal::BadVersion | Refusal::NoNode, .. }
                | StoreError::OutcomeUnknown { .. },
            ) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// `None`: there are no more numbers.
fn after(latest: Option<ProducerIdBlock>, broker: BrokerId) -> Option<ProducerIdBlock> {
    let first = latest.map_or(Some(0), |block| block.last.0.checked_add(1))?;
    let last = first.checked_add(BLOCK_SIZE - 1)?;
    Some(ProducerIdBlock { broker, first: ProducerId(first), last: ProducerId(last) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use zookeeper::store::CreateMode;
    use zookeeper::tree::{ModelStore, ModelZooKeeper};

    use super::*;

    fn ids(store: &ModelStore, broker: i32) -> ProducerIds {
        ProducerIds::new(Arc::new(store.clone()), BrokerId(broker))
    }

    async fn latest(store: &ModelStore) -> String {
        let node = store.get(paths::PRODUCER_ID_BLOCK, Watch::None).await.unwrap();
        String::from_utf8(node.data.into()).unwrap()
    }

    #[tokio::test]
    async fn ids_count_from_zero_and_the_next_block_comes_early() {
        let (store, _events) = ModelZooKeeper::default().connect();
        let ids = ids(&store, 3);
        for expected in 0..899 {
            assert_eq!(ids.next().await.unwrap(), ProducerId(expected));
        }
        assert_eq!(latest(&store).await, r#"{"version":1,"broker":3,"block_start":"0","block_end":"999"}"#);
        assert_eq!(ids.next().await.unwrap(), ProducerId(899));
        assert_eq!(
            latest(&store).await,
            r#"{"version":1,"broker":3,"block_start":"1000","block_end":"1999"}"#
        );
        for expected in 900..2500 {
            assert_eq!(ids.next().await.unwrap(), ProducerId(expected));
        }
    }

    #[tokio::test]
    async fn two_brokers_never_give_the_same() {
        let zookeeper = ModelZooKeeper::default();
        let (one, _) = zookeeper.connect();
        let (two, _) = zookeeper.connect();
        let (one, two) = (ids(&one, 1), ids(&two, 2));
        let mut given = BTreeSet::new();
        for _ in 0..3000 {
            assert!(given.insert(one.next().await.unwrap()));
            assert!(given.insert(two.next().await.unwrap()));
        }
    }

    #[tokio::test]
    async fn ids_in_doubt_are_given_to_nobody() {
        let (store, _events) = ModelZooKeeper::default().connect();
        create_all(&store, paths::PRODUCER_ID_BLOCK).await.unwrap();
        store.lose_answers(2);
        assert_eq!(ids(&store, 1).next().await.unwrap(), ProducerId(2000));
    }

    #[tokio::test]
    async fn the_last_numbers_are_not_given() {
        let block = |last: i64| {
            Some(ProducerIdBlock { broker: BrokerId(1), first: ProducerId(0), last: ProducerId(last) })
        };
        assert_eq!(after(block(i64::MAX - 1000), BrokerId(1)).map(|block| block.last.0), Some(i64::MAX));
        assert_eq!(after(block(i64::MAX - 999), BrokerId(1)), None);
        assert_eq!(after(block(i64::MAX), BrokerId(1)), None);
    }

    #[tokio::test]
    async fn garbage_is_named() {
        let (store, _events) = ModelZooKeeper::default().connect();
        store.create(paths::PRODUCER_ID_BLOCK, Some("x".into()), CreateMode::Persistent).await.unwrap();
        let error = ids(&store, 1).next().await.unwrap_err().to_string();
        assert!(error.starts_with("znode /latest_producer_id_block: it is no JSON"), "{error}");
    }
}
