//! SCRAM credentials: read from `iterations=N,password=P`, and made as a user's znode holds them.
//!
//! Never keeps a password. Source: ScramFormatter, ScramCredentialUtils (3.9), RFC 5802.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};
use uuid::Uuid;

use super::trouble::Trouble;

const ITERATIONS_DEFAULT: i32 = 4096;
const ITERATIONS_MIN: i32 = 4096;

/// How passwords are digested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Sha256,
    Sha512,
}

impl Mechanism {
    /// By the name that RFC 7677 gives it.
    pub(super) fn of(name: &str) -> Option<Mechanism> {
        match name {
            "SCRAM-SHA-256" => Some(Mechanism::Sha256),
            "SCRAM-SHA-512" => Some(Mechanism::Sha512),
            _ => None,
        }
    }

    fn keyed(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Mechanism::Sha256 => mac::<Hmac<Sha256>>(key, parts),
            Mechanism::Sha512 => mac::<Hmac<Sha512>>(key, parts),
        }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Mechanism::Sha256 => Sha256::digest(bytes).to_vec(),
            Mechanism::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // HMAC takes a key of any length.
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// A password and how often it is digested.
#[derive(Debug)]
struct Wish<'a> {
    iterations: u32,
    password: &'a str,
}

/// Whether the SCRAM mechanisms among the pairs have values that make sense (alterUserScramCredentialConfigs).
pub(super) fn check(pairs: &[(String, String)]) -> Result<(), Trouble> {
    for (name, value) in pairs {
        if let Some(mechanism) = Mechanism::of(name) {
            read(mechanism, value, Standing::Wire)?;
        }
    }
    Ok(())
}

/// Puts what the znode of a user holds in the place of passwords (preProcessScramCredentials).
pub(super) fn make(pairs: &mut [(String, String)]) -> Result<(), Trouble> {
    for (name, value) in pairs {
        if let Some(mechanism) = Mechanism::of(name) {
            let wish = read(mechanism, value, Standing::Znode)?;
            *value = credential(mechanism, &wish, &salt());
        }
    }
    Ok(())
}

/// For whom a value is read: Kafka takes -1 iterations for the default in a request only, and words the mechanism differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Wire,
    Znode,
}

fn read(mechanism: Mechanism, value: &str, standing: Standing) -> Result<Wish<'_>, Trouble> {
    let (java, name) = match mechanism {
        Mechanism::Sha256 => ("SCRAM_SHA_256", "SCRAM-SHA-256"),
        Mechanism::Sha512 => ("SCRAM_SHA_512", "SCRAM-SHA-512"),
    };
    let (iterations, rest) = match value.strip_prefix("iterations=").and_then(|rest| rest.split_once(',')) {
        Some((iterations, rest)) => (Some(iterations), rest),
        None => (None, value),
    };
    let is_number = |text: &str| match text.strip_prefix('-') {
        Some(digits) if standing == Standing::Wire => digits.bytes().all(|byte| byte.is_ascii_digit()),
        _ => text.bytes().all(|byte| byte.is_ascii_digit()),
    };
    let password = rest.strip_prefix("password=").filter(|_| iterations.is_none_or(is_number));
    let Some(password) = password else {
        return Trouble::told(format!("Invalid credential property {java}={value}"));
    };
    let iterations: i32 = match iterations {
        None | Some("-1") => ITERATIONS_DEFAULT,
        Some(text) => match text.parse() {
            Ok(iterations) => iterations,
            Err(_) => return Trouble::told(format!("For input string: \"{text}\"")),
        },
    };
    match u32::try_from(iterations) {
        Ok(enough) if iterations >= ITERATIONS_MIN => Ok(Wish { iterations: enough, password }),
        _ => {
            let named = if standing == Standing::Wire { name } else { java };
            Trouble::told(format!(
                "Iterations {iterations} is less than the minimum {ITERATIONS_MIN} required for {named}"
            ))
        }
    }
}

/// Letters and digits of 122 random bits.
fn salt() -> Vec<u8> {
    Uuid::new_v4().simple().to_string().into_bytes()
}

/// What a server keeps, from which nobody gets the password back.
fn credential(mechanism: Mechanism, wish: &Wish<'_>, salt: &[u8]) -> String {
    let salted = salted(mechanism, wish, salt);
    let stored = mechanism.digest(&mechanism.keyed(&salted, &[b"Client Key"]));
    let server = mechanism.keyed(&salted, &[b"Server Key"]);
    let [salt, stored, server] = [salt, &stored, &server].map(|bytes| STANDARD.encode(bytes));
    format!("salt={salt},stored_key={stored},server_key={server},iterations={}", wish.iterations)
}

/// `Hi` of RFC 5802: PBKDF2 with one block.
fn salted(mechanism: Mechanism, wish: &Wish<'_>, salt: &[u8]) -> Vec<u8> {
    let key = wish.password.as_bytes();
    let mut last = mechanism.keyed(key, &[salt, &1u32.to_be_bytes()]);
    let mut sum = last.clone();
    for _ in 1..wish.iterations {
        last = mechanism.keyed(key, &[&last]);
        sum.iter_mut().zip(&last).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    fn refused(value: &str, standing: Standing) -> String {
        match read(Mechanism::Sha256, value, standing) {
            Err(Trouble::Told(Failure::Sentence(sentence))) => sentence,
            other => panic!("{other:?}"),
        }
    }

    /// The example of RFC 7677, section 3.
    #[test]
    fn credentials_are_those_of_the_rfc() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let wish = Wish { iterations: 4096, password: "pencil" };
        assert_eq!(
            credential(Mechanism::Sha256, &wish, &salt),
            "salt=W22ZaJ0SNY7soEsUEjb6gQ==,stored_key=WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,\
             server_key=wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=,iterations=4096"
        );
    }

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn what_is_no_password_is_refused() {
        assert_eq!(refused("x", Standing::Wire), "Invalid credential property SCRAM_SHA_256=x");
        assert_eq!(
            refused("iterations=100,password=x", Standing::Wire),
            "Iterations 100 is less than the minimum 4096 required for SCRAM-SHA-256"
        );
        assert!(read(Mechanism::Sha512, "iterations=-1,password=a,b=c", Standing::Wire).is_ok());
        let read = read(Mechanism::Sha512, "iterations=5000,password=se cret", Standing::Znode).unwrap();
        assert_eq!((read.iterations, read.password), (5000, "se cret"));
    }
}
