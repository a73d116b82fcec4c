//! Java's .properties syntax, as operators write it and as `--override` adds to it. A key given twice has
//! its last value, as in Java. It knows no setting. Bytes are Latin-1, as `java.util.Properties` reads them.

use std::collections::BTreeMap;

/// The pairs of a properties file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    values: BTreeMap<String, String>,
}
