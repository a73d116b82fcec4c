//! What a request that has been answered costs its client, and for how long its connection is held back: the greatest time that any quota asks
//! for. It goes into the answer, wherever its version has the field. Sources: KafkaApis.handleProduceRequest, RequestHandlerHelper (3.9).

use std::time::Duration;

use coordinator::quota::Client;
use protocol::ApiKey;
use protocol::response::Response;

use super::Quotas;
use crate::api::context::{Context, Outcome};
use crate::network::Passage;

impl Quotas {
    /// Charges a request, and tells the client if it is to be held back.
    pub(crate) fn settle(
        &self,
        context: &Context,
        passage: &Passage,
        outcome: Outcome,
    ) -> (Outcome, Duration) {
        let (response, own) = match outcome {
            Outcome::Answer(response) => (Some(response), Duration::ZERO),
            Outcome::Throttled(response, throttle) => (Some(response), throttle),
            Outcome::Silent => (None, Duration::ZERO),
            Outcome::Close(reason) => return (Outcome::Close(reason), Duration::ZERO),
        };
        let charged = match &passage.client_id {
            Some(id) if self.in_force() => {
                self.charge(Client { user: &context.principal.name, id }, passage, response.as_ref())
            }
            _ => Duration::ZERO,
        };
        let throttle = own.max(charged);
        let outcome = match response {
            None => Outcome::Silent,
            Some(response) if throttle.is_zero() => Outcome::Answer(response),
            Some(mut response) => {
                let ms = i32::try_from(throttle.as_millis()).unwrap_or(i32::MAX);
                response.set_throttle_time_ms(passage.api, passage.version, ms);
                Outcome::Answer(response)
            }
        };
        (outcome, throttle)
    }

    fn charge(&self, client: Client<'_>, passage: &Passage, response: Option<&Response>) -> Duration {
        let mut throttle = Duration::ZERO;
        if passage.api == ApiKey::Produce {
            throttle = self.charge_produce(client, passage.request_bytes);
        }
        // A Produce with acks 0 is exempt, and a fetch has been charged before it was known what it answers.
        if response.is_some() && passage.api != ApiKey::Fetch {
            throttle = throttle.max(self.charge_time(client, passage.busy()));
        }
        throttle
    }
}
