//! Transactions: what is kept of them in `__transaction_state`.

pub mod records;
