//! What a broker is made of, what is started in which order, and how it is stopped, in stages.
//! The binary calls `run`; nothing else lives here.

