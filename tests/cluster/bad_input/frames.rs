//! Frames that are garbage, cut off, too long, of no known API, or that announce more than they hold.
//! How: raw connections send them; a connection opened before must go on working, and the broker's memory must not grow by more
//! than a small multiple of what was sent.
use crate::scene::Scene;
use anyhow::{Context, Result};
use tests::wire::{API_VERSIONS, FETCH, METADATA, Wire, flexible_header, framed, header, noise};

const MEGABYTE: u64 = 1 << 20;
/// Room for the allocator's own habits; one array of 2^31 elements would be thousands of these.
const GROWTH: u64 = 24 * MEGABYTE;

/// Sends `bytes` on a connection of its own, says that this is all, and waits until the broker closes it.
fn attack(address: &str, bytes: &[u8]) -> Result<()> {
    let mut wire = Wire::connect(address)?;
    // The broker may have closed the connection before everything is sent, which is an answer too.
    let _ = wire.send(bytes).and_then(|()| wire.finish_sending());
    while wire
        .receive()
        .with_context(|| format!("after {} bytes: {:02x?}", bytes.len(), &bytes[..bytes.len().min(40)]))?
        .is_some()
    {}
    Ok(())
}

/// Runs `attacks` while a healthy connection is open, which must work afterwards as before, and watches the memory.
fn endure(scene: &mut Scene, attacks: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    let address = scene.address();
    scene.broker.announce("connection closed: ");
    let mut healthy = Wire::connect(&address)?;
    let served = healthy.served()?;
    let before = scene.broker.process().resident_peak_bytes()?;
    attacks(&address)?;
    let after = scene.broker.process().resident_peak_bytes()?;
    assert!(after - before < GROWTH, "memory grew from {before} to {after} bytes");
    assert_eq!(healthy.served()?, served);
    scene.broker.await_serving()
}

#[test]
fn garbage_closes_its_connection_only() -> Result<()> {
    let mut scene = Scene::new()?;
    endure(&mut scene, |address| {
        attack(address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        attack(address, &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])?;
        attack(address, &[0; 64])?;
        attack(address, &[0xff; 64])?;
        for seed in 0..100 {
            attack(address, &noise(seed))?;
            attack(address, &framed(&noise(seed)))?;
        }
        Ok(())
    })
}

#[test]
fn frames_cut_off_close_their_connection_only() -> Result<()> {
    let mut scene = Scene::new()?;
    let whole = framed(&[header(METADATA, 1, 1), 0_i32.to_be_bytes().to_vec()].concat());
    endure(&mut scene, |address| (0..whole.len()).try_for_each(|length| attack(address, &whole[..length])))
}

#[test]
fn a_length_of_two_gigabytes_is_refused_and_one_allowed_reserves_nothing() -> Result<()> {
    let mut scene = Scene::new()?;
    endure(&mut scene, |address| {
        for length in [i32::MAX, 104_857_601, -1, i32::MIN, 0] {
            attack(address, &[&length.to_be_bytes()[..], &[0; 100]].concat())?;
        }
        // Exactly as long as socket.request.max.bytes allows, a hundred times at once, with next to nothing sent.
        let mut open = Vec::new();
        for _ in 0..100 {
            let mut wire = Wire::connect(address)?;
            wire.send(&[&104_857_600_i32.to_be_bytes()[..], &[0; 100]].concat())?;
            open.push(wire);
        }
        open.iter_mut().try_for_each(Wire::finish_sending)?;
        for wire in &mut open {
            assert!(wire.receive()?.is_none());
        }
        Ok(())
    })
}

#[test]
fn unknown_apis_and_versions_close_their_connection_only() -> Result<()> {
    let mut scene = Scene::new()?;
    endure(&mut scene, |address| {
        for (api, version) in [(999, 0), (-1, 0), (i16::MAX, i16::MAX), (FETCH, 99), (METADATA, -1)] {
            let mut wire = Wire::connect(address)?;
            wire.send(&framed(&header(api, version, 7)))?;
            assert!(wire.receive()?.is_none(), "api {api} version {version}");
        }
        Ok(())
    })
}

#[test]
fn an_unknown_version_of_api_versions_is_told_what_is_known() -> Result<()> {
    let mut scene = Scene::new()?;
    endure(&mut scene, |address| {
        let mut wire = Wire::connect(address)?;
        wire.send(&framed(&flexible_header(API_VERSIONS, 99, 7)))?;
        let answer = wire.receive()?.context("no answer")?;
        // UNSUPPORTED_VERSION in the layout of version 0, so that any client can read it, with ApiVersions itself listed.
        assert_eq!((&answer[..4], &answer[4..6]), (&7_i32.to_be_bytes()[..], &35_i16.to_be_bytes()[..]));
        assert!(answer[10..].chunks_exact(6).any(|api| api[..2] == API_VERSIONS.to_be_bytes()));
        wire.served().map(drop)
    })
}

#[test]
fn announced_elements_are_not_allocated() -> Result<()> {
    const FRAME: usize = 30;
    let mut scene = Scene::new()?;
    let served = scene.broker.connect()?.served()?;
    endure(&mut scene, |address| {
        for (api, version) in
            served.iter().flat_map(|api| (api.min..=api.max).map(move |version| (api.key, version)))
        {
            for head in [header(api, version, 1), flexible_header(api, version, 1)] {
                let room = FRAME - head.len();
                for body in (0..room).flat_map(|at| announcements(at, room)) {
                    attack(address, &framed(&[&head[..], &body].concat()))?;
                }
            }
        }
        Ok(())
    })
}

/// Bodies that announce 2^31 - 1 elements at a place, in the plain and in the compact encoding, after zeros or after nulls.
fn announcements(at: usize, room: usize) -> Vec<Vec<u8>> {
    const PLAIN: &[u8] = &[0x7f, 0xff, 0xff, 0xff];
    const COMPACT: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0x07];
    let body = |before: u8, count: &[u8]| {
        let mut body = [&vec![before; at], count].concat();
        body.resize(room, 0);
        body
    };
    [(0, PLAIN), (0, COMPACT), (0xff, PLAIN)].into_iter().map(|(before, count)| body(before, count)).collect()
}
