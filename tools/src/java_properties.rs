//! Properties files and `key=value` arguments of the tools, and what the admin client makes of them.
//!
//! Owns the rule that the command line wins over a file. Knows no broker settings.

use std::path::Path;
use std::time::Duration;

use config::properties::Properties;

use crate::failure::Failure;
use crate::options::pairs;

/// The properties of a file, if one is named, under those of the command line.
pub(crate) fn merged(file: Option<&str>, arguments: &[String]) -> Result<Properties, Failure> {
    let mut properties = match file {
        Some(path) => {
            Properties::read(Path::new(path)).map_err(|error| Failure::Sentence(error.to_string()))?
        }
        None => Properties::default(),
    };
    for (key, value) in pairs(arguments) {
        properties.set(key, value);
    }
    Ok(properties)
}

/// Whether a value says yes, as `Boolean.parseBoolean` reads it.
pub(crate) fn is_true(value: &str) -> bool {
    value.trim().eq_ignore_ascii_case("true")
}

/// The admin client's settings from `--command-config`; without a client id in it the given one.
pub(crate) fn admin_settings(file: Option<&str>, client_id: &str) -> Result<client::Settings, Failure> {
    let mut settings = client::Settings { client_id: client_id.to_owned(), ..client::Settings::default() };
    for (key, value) in merged(file, &[])?.map() {
        let (key, value) = (key.as_str(), value.as_str());
        match key {
            "client.id" => settings.client_id = value.to_owned(),
            "request.timeout.ms" => settings.request_timeout = millis(key, value)?,
            "default.api.timeout.ms" => settings.call_timeout = millis(key, value)?,
            "retry.backoff.ms" => settings.retry_backoff = millis(key, value)?,
            // The command line says where the cluster is.
            "bootstrap.servers" => {}
            "security.protocol" => require_plaintext(value)?,
            unknown => tracing::warn!("{unknown} in --command-config is not a setting of this admin client"),
        }
    }
    Ok(settings)
}

/// The tools speak PLAINTEXT; anything else would go out unprotected, so it is refused.
pub(crate) fn require_plaintext(security_protocol: &str) -> Result<(), Failure> {
    match security_protocol.trim().eq_ignore_ascii_case("plaintext") {
        true => Ok(()),
        false => Err(Failure::Sentence(format!(
            "security.protocol={security_protocol}: this version of the tools speaks PLAINTEXT only"
        ))),
    }
}

fn millis(key: &str, value: &str) -> Result<Duration, Failure> {
    let invalid =
        |_| Failure::Sentence(format!("Invalid value {value} for configuration {key}: Not a number"));
    value.trim().parse().map(Duration::from_millis).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_win_over_each_other_in_order() {
        let arguments = ["a=1".to_owned(), "b=x=y".to_owned(), "a=2".to_owned()];
        let merged = merged(None, &arguments).unwrap();
        assert_eq!((merged.get("a"), merged.get("b"), merged.map().len()), (Some("2"), Some("x=y"), 2));
    }

    #[test]
    fn nothing_goes_out_unprotected_by_mistake() {
        assert!(require_plaintext("PLAINTEXT").is_ok() && require_plaintext("SASL_SSL").is_err());
    }
}
