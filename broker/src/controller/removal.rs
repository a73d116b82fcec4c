//! The znodes of a deleted topic, from the bottom up; the mark that asked for the deletion goes last, so that whoever is controller
//! next goes on where this one stopped. Source: TopicDeletionManager.completeDeleteTopic, KafkaZkClient.deleteRecursive (3.9).

use coordinator::controller::cluster::TopicName;
use coordinator::controller::{Event, WriteFault};
use zookeeper::paths;
use zookeeper::session::together;
use zookeeper::store::{Refusal, StoreError, Watch};

use super::writes::{Fenced, Lost, all_gone, delete};

impl Fenced<'_> {
    pub(super) async fn remove_topic(&self, topic: TopicName) -> Result<Event, Lost> {
        let outcome = self.remove_in_order(&topic).await?;
        Ok(Event::TopicRemoved(topic, outcome))
    }

    async fn remove_in_order(&self, topic: &TopicName) -> Result<Result<(), WriteFault>, Lost> {
        let mut tree = self.tree(paths::topic(topic)).await?;
        tree.reverse();
        for step in [tree, vec![paths::config("topics", topic)], vec![paths::delete_topic(topic)]] {
            if let Err(fault) = all_gone(self.write_all(step.into_iter().map(delete)).await?) {
                return Ok(Err(fault));
            }
        }
        Ok(Ok(()))
    }

    /// The znode and all below it, each after its parent.
    async fn tree(&self, root: String) -> Result<Vec<String>, Lost> {
        let mut found = Vec::new();
        let mut level = vec![root];
        while !level.is_empty() {
            let children = together(level.iter().map(|path| self.store.children(path, Watch::None))).await;
            let mut below = Vec::new();
            for (path, names) in level.iter().zip(children) {
                let names = present(names)?;
                below.extend(names.into_iter().map(|name| format!("{path}/{name}")));
            }
            found.append(&mut level);
            level = below;
        }
        Ok(found)
    }
}

fn present<S>(names: Result<(Vec<String>, S), StoreError>) -> Result<Vec<String>, StoreError> {
    match names {
        Ok((names, _)) => Ok(names),
        Err(error) if error.refusal() == Some(Refusal::NoNode) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
