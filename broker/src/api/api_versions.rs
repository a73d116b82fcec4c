//! ApiVersions (key 18), versions 0–4: the table of requests that this broker serves (KIP-35, KIP-511, KIP-584).
//!
//! A version above 4 or below 0 is answered in the shape of version 0 with UNSUPPORTED_VERSION and the line of this
//! request alone. From version 3 on a client's software name and version have to be names, else INVALID_REQUEST and
//! no table. Asks the authorizer nothing. Differs from Kafka 3.9: the lines are ordered by key, and fewer.

use protocol::messages::api_versions_response::ApiVersion;
use protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use protocol::request::RequestHeader;
use protocol::{API_TABLE, Api, ApiKey, ErrorCode, response};

use super::context::Outcome;
use crate::network::Software;

/// The first version in which a client names its software.
const SOFTWARE_SINCE: i16 = 3;

/// Answers with the table; `finalized_features_epoch` is the data version of the znode `/feature`.
pub(crate) fn answer(
    header: &RequestHeader,
    request: &ApiVersionsRequest,
    finalized_features_epoch: i64,
) -> Outcome {
    let message = if header.version >= SOFTWARE_SINCE && software(header.version, request).is_none() {
        ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.code())
    } else {
        ApiVersionsResponse::default()
            .with_api_keys(API_TABLE.iter().map(line).collect())
            .with_finalized_features_epoch(finalized_features_epoch)
    };
    response::encode(header.correlation_id, ApiKey::ApiVersions, header.version, &message).into()
}

/// What a client calls itself, where it says so, and in a good form.
pub(crate) fn software(version: i16, request: &ApiVersionsRequest) -> Option<Box<Software>> {
    let (name, number) = (&request.client_software_name, &request.client_software_version);
    let named = version >= SOFTWARE_SINCE && is_software_name(name) && is_software_name(number);
    named.then(|| Box::new(Software { name: name.to_string(), version: number.to_string() }))
}

/// Answers a version that is not served, in the only shape that every client can read.
pub(crate) fn unsupported(correlation_id: i32) -> Outcome {
    let message = ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UnsupportedVersion.code())
        .with_api_keys(vec![line(ApiKey::ApiVersions.api())]);
    response::encode(correlation_id, ApiKey::ApiVersions, 0, &message).into()
}

fn line(api: &Api) -> ApiVersion {
    ApiVersion::default().with_api_key(api.key.code()).with_min_version(api.min).with_max_version(api.max)
}

/// Letters, digits, dots and dashes, with a letter or digit at both ends (ApiVersionsRequest of Kafka).
fn is_software_name(name: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let inside = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    inside && edge(bytes.first()) && edge(bytes.last())
}

#[cfg(test)]
mod tests {
    use protocol::StrBytes;

    use super::*;

    fn head(outcome: Outcome) -> Vec<u8> {
        match outcome {
            Outcome::Answer(response) => response.head.to_vec(),
            Outcome::Throttled(..) | Outcome::Silent | Outcome::Close(_) => panic!("{outcome:?}"),
        }
    }

    fn ask(version: i16, name: &str) -> Vec<u8> {
        let header = RequestHeader { api: ApiKey::ApiVersions, version, correlation_id: 7, client_id: None };
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_string(name.to_owned()))
            .with_client_software_version(StrBytes::from_static_str("3.9.1"));
        head(answer(&header, &request, 0))
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    // The bytes expected here were read off a socket of Kafka 3.9.1.

    #[test]
    fn an_unsupported_version_gets_one_line_in_version_0() {
        assert_eq!(hex(&head(unsupported(7))), "0000001000000007002300000001001200000004");
    }

    #[test]
    fn a_bad_software_name_gets_no_table() {
        for version in [3, 4] {
            for name in ["", "-a", "a-", ".", "a b", "a_b", "a\n", "ä"] {
                assert_eq!(hex(&ask(version, name)), "0000000c00000007002a010000000000", "{name:?}");
            }
        }
    }

    #[test]
    fn a_good_one_gets_the_table_and_the_epoch_of_the_features() {
        for name in ["a", "librdkafka", "a.-b", "9"] {
            let answer = hex(&ask(3, name));
            let (throttle, epoch) = (
                "00000000",
                "01" /* one tag */
                    .to_owned()
                    + "0108"
                    + &"00".repeat(8),
            );
            assert!(answer.ends_with(&format!("{throttle}{epoch}")), "{answer}");
        }
        assert_eq!(ask(3, "a"), ask(4, "a"));
    }

    #[test]
    fn old_versions_carry_no_name_and_no_tags() {
        let entry = 6;
        let v0 = ask(0, "");
        assert_eq!(v0.len(), 4 + 4 + 2 + 4 + entry * API_TABLE.len());
        assert_eq!(&v0[14..20], [0, 0, 0, 0, 0, 11], "Produce comes first");
        for version in [1, 2] {
            assert_eq!(ask(version, "").len(), v0.len() + 4, "and a throttle time");
        }
    }
}
