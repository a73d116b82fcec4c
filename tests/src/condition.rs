//! Waiting for a condition with a deadline: the only place of the suites that lets time pass.
//! A suite never sleeps; it names what it waits for, and what it names is in the error when the deadline is over.
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// Asks again and again until `ask` has an answer, for at most `limit`.
pub fn until<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() >= end {
            bail!("waited {} s in vain: {what}", limit.as_secs_f32());
        }
        std::thread::sleep(PAUSE);
    }
}

/// Like [`until`], for a question whose errors mean "not yet"; the last error is reported at the deadline.
pub fn until_ok<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<T>) -> Result<T> {
    let mut last = None;
    let answer = until(what, limit, || match ask() {
        Ok(answer) => Ok(Some(answer)),
        Err(error) => {
            last = Some(error);
            Ok(None)
        }
    });
    match (answer, last) {
        (Err(late), Some(error)) => Err(error.context(late.to_string())),
        (answer, _) => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_it_waited_for() {
        let error = until::<()>("the moon", Duration::ZERO, || Ok(None)).unwrap_err();
        assert_eq!(error.to_string(), "waited 0 s in vain: the moon");
    }

    #[test]
    fn keeps_the_last_error() {
        let error = until_ok::<()>("the moon", Duration::ZERO, || bail!("clouds")).unwrap_err();
        assert_eq!(format!("{error:#}"), "waited 0 s in vain: the moon: clouds");
    }
}
