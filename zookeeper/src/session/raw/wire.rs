//! ZooKeeper's wire format, as far as the raw client speaks it: requests out of operations, answers out of replies.
//!
//! Owns bytes only; no I/O. Every length from the server is checked against what is there. The chroot is added and removed here.
//! Source: ZooKeeper 3.8 `zookeeper.jute`, `MultiOperationRecord.java`, `MultiResponse.java`.

use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::events::SessionId;
use crate::store::{Answer, CreateMode, Node, Operation, Refusal, Stat, StoreError, Write, WriteAnswer};

const CREATE: i32 = 1;
const DELETE: i32 = 2;
const EXISTS: i32 = 3;
const GET_DATA: i32 = 4;
const SET_DATA: i32 = 5;
const GET_CHILDREN_2: i32 = 12;
const CHECK: i32 = 13;
const MULTI: i32 = 14;
const CLOSE_SESSION: i32 = -11;
const ERROR: i32 = -1;

const OK: i32 = 0;
/// Of the writes of a failed multi, those that were not to blame.
const RUNTIME_INCONSISTENCY: i32 = -2;
const NO_NODE: i32 = -101;

pub(super) fn connect_request(timeout: Duration) -> BytesMut {
    framed(|out| {
        out.put_i32(0);
        out.put_i64(0);
        out.put_i32(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
        out.put_i64(0);
        put_buffer(out, Some(&[0; 16]));
        out.put_u8(0);
    })
}

pub(super) fn check_connect_response(mut body: Bytes) -> io::Result<()> {
    if body.len() < 16 {
        return Err(super::malformed("the answer to the connect request is too short"));
    }
    let (_protocol, _timeout, session) = (body.get_i32(), body.get_i32(), body.get_i64());
    match session {
        0 => Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the server grants no session")),
        _ => Ok(()),
    }
}

pub(super) fn close_request(xid: i32) -> BytesMut {
    framed(|out| {
        out.put_i32(xid);
        out.put_i32(CLOSE_SESSION);
    })
}

pub(super) fn request(xid: i32, operation: &Operation, chroot: &str) -> BytesMut {
    framed(|out| {
        out.put_i32(xid);
        match operation {
            Operation::Get { path, .. } => put_read(out, GET_DATA, chroot, path),
            Operation::Exists { path, .. } => put_read(out, EXISTS, chroot, path),
            Operation::Children { path, .. } => put_read(out, GET_CHILDREN_2, chroot, path),
            Operation::Write(write) => {
                out.put_i32(code(write));
                put_write(out, write, chroot);
            }
            Operation::Multi(writes) => {
                out.put_i32(MULTI);
                for write in writes {
                    put_multi_header(out, code(write));
                    put_write(out, write, chroot);
                }
                put_multi_end(out);
            }
        }
    })
}

pub(super) fn answer(
    operation: &Operation,
    chroot: &str,
    error: i32,
    body: Bytes,
) -> Result<Answer, StoreError> {
    if matches!(operation, Operation::Exists { .. }) && error == NO_NODE {
        return Ok(Answer::Stat(None));
    }
    // A multi that failed carries the reason of each write in its body, and the header may or may not repeat one.
    if !matches!(operation, Operation::Multi(_)) || body.is_empty() {
        refused(operation, error)?;
    }
    decode(operation, chroot, body).ok_or_else(|| malformed(operation))?
}

/// `Err` where the reply's header has an error.
pub(super) fn refused(operation: &Operation, error: i32) -> Result<(), StoreError> {
    match error {
        OK => Ok(()),
        _ => Err(refusal(error, operation.path(), 0)),
    }
}

pub(super) fn decode_data(path: &str, mut body: Bytes) -> Result<Option<Bytes>, StoreError> {
    let unexpected =
        || StoreError::Unexpected { path: path.to_owned(), what: "its data is cut off".to_owned() };
    take_buffer(&mut body).ok_or_else(unexpected)
}

/// `None`: the body is not what the operation is answered with.
fn decode(operation: &Operation, chroot: &str, mut body: Bytes) -> Option<Result<Answer, StoreError>> {
    let body = &mut body;
    Some(Ok(match operation {
        Operation::Get { .. } => {
            let data = take_buffer(body)?.unwrap_or_default();
            Answer::Node(Node { data, stat: take_stat(body)? })
        }
        Operation::Exists { .. } => Answer::Stat(Some(take_stat(body)?)),
        Operation::Children { .. } => {
            let count = usize::try_from(body.try_get_i32().ok()?).ok()?;
            // Not reserved from the count, which is the server's word only.
            let names = (0..count).map(|_| take_string(body)).collect::<Option<_>>()?;
            Answer::Children { names, stat: take_stat(body)? }
        }
        Operation::Write(write) => Answer::Written(take_write_answer(body, code(write), chroot)?),
        Operation::Multi(writes) => return take_multi(body, writes, chroot),
    }))
}

fn take_multi(body: &mut Bytes, writes: &[Write], chroot: &str) -> Option<Result<Answer, StoreError>> {
    let mut answers = Vec::new();
    for (at, write) in writes.iter().enumerate() {
        let (kind, _done, _error) =
            (body.try_get_i32().ok()?, body.try_get_u8().ok()?, body.try_get_i32().ok()?);
        if kind != ERROR {
            answers.push(take_write_answer(body, kind, chroot)?);
            continue;
        }
        match body.try_get_i32().ok()? {
            // Writes before and after the one to blame.
            OK | RUNTIME_INCONSISTENCY => {}
            error => return Some(Err(refusal(error, write.path(), at))),
        }
    }
    (answers.len() == writes.len()).then_some(Ok(Answer::Multi(answers)))
}

fn take_write_answer(body: &mut Bytes, kind: i32, chroot: &str) -> Option<WriteAnswer> {
    Some(match kind {
        CREATE => {
            let path = take_string(body)?;
            WriteAnswer::Created { path: path.strip_prefix(chroot)?.to_owned() }
        }
        DELETE => WriteAnswer::Deleted,
        SET_DATA => WriteAnswer::Set { stat: take_stat(body)? },
        CHECK => WriteAnswer::Checked,
        _ => return None,
    })
}

fn refusal(error: i32, path: &str, at: usize) -> StoreError {
    let refusal = match error {
        NO_NODE => Refusal::NoNode,
        -102 | -114 => Refusal::NotAllowed,
        -103 => Refusal::BadVersion,
        -108 => Refusal::EphemeralParent,
        -110 => Refusal::NodeExists,
        -111 => Refusal::NotEmpty,
        -8 => Refusal::InvalidPath,
        _ => {
            let what = format!("ZooKeeper answered with error {error}");
            return StoreError::Unexpected { path: path.to_owned(), what };
        }
    };
    StoreError::Refused { path: path.to_owned(), refusal, at }
}

fn malformed(operation: &Operation) -> StoreError {
    StoreError::Unexpected {
        path: operation.path().to_owned(),
        what: "ZooKeeper's answer cannot be read".to_owned(),
    }
}

fn code(write: &Write) -> i32 {
    match write {
        Write::Check { .. } => CHECK,
        Write::Create { .. } => CREATE,
        Write::Set { .. } => SET_DATA,
        Write::Delete { .. } => DELETE,
    }
}

fn put_read(out: &mut BytesMut, code: i32, chroot: &str, path: &str) {
    out.put_i32(code);
    put_path(out, chroot, path);
    out.put_u8(0);
}

fn put_write(out: &mut BytesMut, write: &Write, chroot: &str) {
    put_path(out, chroot, write.path());
    match write {
        Write::Check { version, .. } => out.put_i32(*version),
        Write::Create { data, mode, .. } => {
            put_buffer(out, data.as_deref());
            put_open_acl(out);
            out.put_i32(match mode {
                CreateMode::Persistent => 0,
                CreateMode::Ephemeral => 1,
                CreateMode::PersistentSequential => 2,
            });
        }
        Write::Set { data, expected, .. } => {
            put_buffer(out, Some(data));
            out.put_i32(expected.wire());
        }
        Write::Delete { expected, .. } => out.put_i32(expected.wire()),
    }
}

/// `world:anyone:cdrwa`, as `zookeeper.set.acl=false` asks for.
fn put_open_acl(out: &mut BytesMut) {
    out.put_i32(1);
    out.put_i32(31);
    put_buffer(out, Some(b"world"));
    put_buffer(out, Some(b"anyone"));
}

/// What stands before each operation of a multi: its code, that it is not the end, and no error.
fn put_multi_header(out: &mut BytesMut, code: i32) {
    out.put_i32(code);
    out.put_u8(0);
    out.put_i32(-1);
}

fn put_multi_end(out: &mut BytesMut) {
    out.put_i32(ERROR);
    out.put_u8(1);
    out.put_i32(-1);
}

fn put_path(out: &mut BytesMut, chroot: &str, path: &str) {
    // The root below a chroot is the chroot itself, which has no slash at its end.
    let path = if path == "/" && !chroot.is_empty() { "" } else { path };
    out.put_i32((chroot.len() + path.len()) as i32);
    out.put_slice(chroot.as_bytes());
    out.put_slice(path.as_bytes());
}

fn put_buffer(out: &mut BytesMut, data: Option<&[u8]>) {
    match data {
        None => out.put_i32(-1),
        Some(data) => {
            out.put_i32(data.len() as i32);
            out.put_slice(data);
        }
    }
}

fn framed(fill: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut out = BytesMut::from(&[0; 4][..]);
    fill(&mut out);
    let length = (out.len() - 4) as u32;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

/// `None` where the buffer is cut off, `Some(None)` where it is null.
fn take_buffer(body: &mut Bytes) -> Option<Option<Bytes>> {
    let Ok(length) = usize::try_from(body.try_get_i32().ok()?) else { return Some(None) };
    (body.len() >= length).then(|| Some(body.split_to(length)))
}

fn take_string(body: &mut Bytes) -> Option<String> {
    String::from_utf8(take_buffer(body)??.into()).ok()
}

fn take_stat(body: &mut Bytes) -> Option<Stat> {
    Some(Stat {
        czxid: body.try_get_i64().ok()?,
        mzxid: body.try_get_i64().ok()?,
        ctime: body.try_get_i64().ok()?,
        mtime: body.try_get_i64().ok()?,
        version: body.try_get_i32().ok()?,
        cversion: body.try_get_i32().ok()?,
        aversion: body.try_get_i32().ok()?,
        ephemeral_owner: SessionId(body.try_get_i64().ok()?),
        data_length: body.try_get_i32().ok()?,
        children: body.try_get_i32().ok()?,
        pzxid: body.try_get_i64().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Expected, Watch};

    fn get(path: &str) -> Operation {
        Operation::Get { path: path.into(), watch: Watch::None }
    }

    fn create(path: &str, data: Option<Bytes>) -> Write {
        Write::Create { path: path.into(), data, mode: CreateMode::Persistent }
    }

    fn stat_bytes() -> BytesMut {
        let mut out = BytesMut::new();
        (1..=4).for_each(|n| out.put_i64(n));
        (5..=7).for_each(|n| out.put_i32(n));
        out.put_i64(8);
        (9..=10).for_each(|n| out.put_i32(n));
        out.put_i64(11);
        out
    }

    #[test]
    fn null_goes_out_as_length_minus_one_and_empty_as_zero() {
        let null = request(5, &Operation::Write(create("/a", None)), "");
        let empty = request(5, &Operation::Write(create("/a", Some(Bytes::new()))), "");
        assert_eq!(
            &null[..22],
            [0, 0, 0, 49, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, b'/', b'a', 255, 255, 255, 255]
        );
        assert_eq!(&empty[18..22], [0; 4]);
        assert_eq!(null.len(), 53);
    }

    #[test]
    fn the_chroot_is_added_and_removed() {
        let sent = request(1, &get("/a"), "/kafka");
        assert_eq!(&sent[16..24], b"/kafka/a");
        assert_eq!(&request(1, &get("/"), "/kafka")[16..22], b"/kafka");
        assert_eq!(&request(1, &get("/"), "")[16..17], b"/");

        let mut body = BytesMut::new();
        put_buffer(&mut body, Some(b"/kafka/a"));
        let created = answer(&Operation::Write(create("/a", None)), "/kafka", OK, body.freeze());
        assert_eq!(created, Ok(Answer::Written(WriteAnswer::Created { path: "/a".into() })));
    }

    #[test]
    fn data_tells_null_from_empty() {
        let body = |length: i32| Bytes::from(length.to_be_bytes().to_vec());
        assert_eq!(decode_data("/a", body(-1)), Ok(None));
        assert_eq!(decode_data("/a", body(0)), Ok(Some(Bytes::new())));
        assert!(decode_data("/a", body(1)).is_err());
    }

    #[test]
    fn a_stat_is_read_in_the_order_of_the_wire() {
        let Ok(Answer::Stat(Some(stat))) = answer(
            &Operation::Exists { path: "/a".into(), watch: Watch::None },
            "",
            OK,
            stat_bytes().freeze(),
        ) else {
            panic!("no stat")
        };
        assert_eq!((stat.czxid, stat.mtime, stat.version, stat.pzxid), (1, 4, 5, 11));
        assert_eq!((stat.ephemeral_owner, stat.data_length, stat.children), (SessionId(8), 9, 10));
    }

    #[test]
    fn an_absent_node_is_an_answer_to_exists_and_a_refusal_to_get() {
        let exists = Operation::Exists { path: "/a".into(), watch: Watch::None };
        assert_eq!(answer(&exists, "", NO_NODE, Bytes::new()), Ok(Answer::Stat(None)));
        let refused = answer(&get("/a"), "", NO_NODE, Bytes::new());
        assert_eq!(refused, Err(StoreError::Refused { path: "/a".into(), refusal: Refusal::NoNode, at: 0 }));
    }

    #[test]
    fn a_failed_multi_names_the_write_to_blame() {
        let writes = vec![
            Write::Check { path: "/epoch".into(), version: 1 },
            create("/a", None),
            Write::Delete { path: "/b".into(), expected: Expected::Any },
        ];
        let mut body = BytesMut::new();
        for error in [OK, -110, RUNTIME_INCONSISTENCY] {
            put_multi_header(&mut body, ERROR);
            body.put_i32(error);
        }
        put_multi_end(&mut body);
        let answered = answer(&Operation::Multi(writes), "", -110, body.freeze());
        assert_eq!(
            answered,
            Err(StoreError::Refused { path: "/a".into(), refusal: Refusal::NodeExists, at: 1 })
        );
    }

    #[test]
    fn cut_off_replies_are_errors() {
        let mut whole = BytesMut::new();
        put_buffer(&mut whole, Some(b"data"));
        whole.extend_from_slice(&stat_bytes());
        for cut in 0..whole.len() {
            assert!(answer(&get("/a"), "", OK, whole.clone().freeze().slice(..cut)).is_err(), "{cut}");
        }
        let children = Operation::Children { path: "/a".into(), watch: Watch::None };
        assert!(answer(&children, "", OK, Bytes::from(i32::MAX.to_be_bytes().to_vec())).is_err());
    }
}
