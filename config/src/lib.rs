//! Every setting of a broker and a topic, defined once, and the files operators edit.
