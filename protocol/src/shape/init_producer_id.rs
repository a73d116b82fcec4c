//! The fields of InitProducerId, versions 0 to 5.

use super::field::*;

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 2,
    fields: &[
        string("transactional_id").nullable(),
        int32("transaction_timeout_ms"),
        int64("producer_id").since(3),
        int16("producer_epoch").since(3),
    ],
};

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 2,
    fields: &[int32("throttle_time_ms"), int16("error_code"), int64("producer_id"), int16("producer_epoch")],
};
