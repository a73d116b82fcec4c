//! The ordered queue of the controller's requests to its own broker: one at a time, dropped whole when the channel closes.
//!
//! Runs beside the driver's loop in the same task, so that neither waits for the other's work. Requests to other brokers have no
//! channel: a broker of this version is alone in its cluster, and says so when it is not.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coordinator::controller::{Answer, ControlRequest};
use protocol::ids::BrokerEpoch;
use tokio::sync::mpsc;

/// Requests that wait for the broker. The driver goes on taking answers while it waits for room.
const QUEUE: usize = 256;
/// Answers that wait for the driver.
const ANSWERS: usize = 256;

/// Carries a request out on this broker.
pub(crate) type Deliver =
    Arc<dyn Fn(ControlRequest) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// The driver's end.
pub(super) struct Channel {
    queue: mpsc::Sender<Sent>,
    answers: mpsc::Receiver<Answered>,
    /// Counts openings and closings; what was sent under another number is dropped.
    generation: Arc<AtomicU64>,
}

/// The end at which requests are carried out.
pub(super) struct Delivery {
    queue: mpsc::Receiver<Sent>,
    answers: mpsc::Sender<Answered>,
    generation: Arc<AtomicU64>,
}

struct Sent {
    generation: u64,
    broker_epoch: BrokerEpoch,
    request: ControlRequest,
}

pub(super) struct Answered {
    generation: u64,
    pub(super) broker_epoch: BrokerEpoch,
    pub(super) answer: Answer,
}

pub(super) fn pair() -> (Channel, Delivery) {
    let (queue, requests) = mpsc::channel(QUEUE);
    let (replies, answers) = mpsc::channel(ANSWERS);
    let generation = Arc::new(AtomicU64::new(0));
    let delivery = Delivery { queue: requests, answers: replies, generation: Arc::clone(&generation) };
    (Channel { queue, answers, generation }, delivery)
}

impl Channel {
    /// What waits is dropped, on both ways.
    pub(super) fn reset(&mut self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for room. Answers that come meanwhile are added to `answered`.
    pub(super) async fn send(
        &mut self,
        broker_epoch: BrokerEpoch,
        request: ControlRequest,
        answered: &mut Vec<Answered>,
    ) {
        let generation = self.generation.load(Ordering::Relaxed);
        loop {
            // Neither branch loses anything when the other is taken: a permit not given is given later, an answer stays queued.
            tokio::select! {
                biased;
                permit = self.queue.reserve() => {
                    if let Ok(permit) = permit {
                        permit.send(Sent { generation, broker_epoch, request });
                    }
                    return;
                }
                Some(answer) = self.answers.recv() => answered.push(answer),
            }
        }
    }

    /// The next answer to what was sent since the last reset; waits for ever where none comes.
    pub(super) async fn answered(&mut self) -> Answered {
        loop {
            match self.answers.recv().await {
                Some(answered) if self.is_current(&answered) => return answered,
                Some(_) => {}
                // The delivery runs beside the driver and ends with it.
                None => std::future::pending().await,
            }
        }
    }

    pub(super) fn is_current(&self, answered: &Answered) -> bool {
        answered.generation == self.generation.load(Ordering::Relaxed)
    }
}

impl Delivery {
    /// Until the driver's end is gone.
    pub(super) async fn run(mut self, deliver: Deliver) {
        while let Some(Sent { generation, broker_epoch, request }) = self.queue.recv().await {
            if generation != self.generation.load(Ordering::Relaxed) {
                continue;
            }
            let answer = deliver(request).await;
            if self.answers.send(Answered { generation, broker_epoch, answer }).await.is_err() {
                return;
            }
        }
    }
}
