//! Updates, the seals over them, and what they carry.

use bellwether::accounts;
use bellwether::herd::Act;
use bellwether::news::{Located, Revision, UpdateView, Withdrawal, read_report};
use bellwether::update::{
    Cid, Dot, Draft, Epoch, Hlc, Kind, Reader, SEAL_UPDATES_MAX, Seal, Update,
};

const KINDS: [Kind; 6] =
    [Kind::Revision, Kind::Withdrawal, Kind::Report, Kind::Data, Kind::Charter, Kind::Account];

/// An envelope, a stub or a seal.
pub(crate) fn envelope(bytes: &[u8]) {
    look_at_seal(bytes);
    let Ok(update) = Update::decode(bytes.into()) else { return };
    assert_eq!(update.raw()[..], *bytes);
    assert_eq!(Update::peek_dot(bytes), Ok(update.dot()));
    if !update.is_erased() {
        let draft = Draft {
            dot: update.dot(),
            clock: update.clock(),
            asked: update.asked(),
            origin: update.origin(),
            kind: update.kind(),
            topic: update.topic(),
            media_type: update.media_type(),
            alias: update.alias(),
            parents: update.parents().collect(),
            previous: update.previous(),
            payload: update.payload(),
        };
        assert!(Update::seal(draft).is_ok_and(|again| again == update), "sealed again");
    }
    let stub = update.erase();
    assert!(stub.is_erased() && stub.payload().is_empty() && stub.erase() == stub);
    let read = Update::decode(stub.raw().clone()).expect("a stub");
    assert!(read == stub, "a stub reads as another");
    assert_eq!((read.cid(), read.dot()), (update.cid(), update.dot()));
    show(&update);
}

fn look_at_seal(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Ok(seal) = Seal::decode(&mut reader) else { return };
    let mut again = Vec::new();
    seal.encode(&mut again);
    assert_eq!(again, bytes[..bytes.len() - reader.rest().len()]);
    let span = seal.span();
    assert!((1..=SEAL_UPDATES_MAX as u64).contains(&span.count()));
    for (at, cid) in seal.cids.iter().enumerate() {
        let dot = Dot { epoch: span.epoch, seq: span.from + at as u64 };
        assert_eq!(seal.cid_of(dot), Some(*cid));
    }
    assert_eq!(seal.cid_at(span.from - 1), None);
    assert_eq!(seal.cid_at(span.to + 1), None);
    seal.verify();
}

/// What readers are shown is JSON, whatever was said.
fn show(update: &Update) {
    let view = UpdateView::of(update, &[Cid::ZERO]);
    let json = serde_json::to_vec(&view).expect("JSON can say it");
    let value: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(value["id"], update.cid().to_string());
}

/// What an update may carry, by kind; any peer may send any bytes.
pub(crate) fn payload(bytes: &[u8]) {
    if let Ok(revision) = Revision::decode(bytes) {
        assert!(revision.faults().is_empty());
        assert_eq!(revision.encode().as_deref(), Ok(bytes));
        assert!(revision.located.is_none_or(Located::is_in_range));
    }
    if let Ok(withdrawal) = Withdrawal::decode(bytes) {
        assert_eq!(withdrawal.encode().as_deref(), Ok(bytes));
    }
    if let Ok(report) = read_report(bytes) {
        let mut again = Vec::new();
        report.encode(&mut again);
        assert_eq!(again, bytes);
    }
    if let Ok(act) = Act::decode(bytes) {
        assert_eq!(Act::decode(&act.encode()), Ok(act));
    }
    if let Ok(act) = accounts::Act::decode(bytes) {
        assert_eq!(accounts::Act::decode(&act.encode()), Ok(act));
    }
    for kind in KINDS {
        let update = Update::seal(Draft {
            dot: Dot { epoch: Epoch(1), seq: 1 },
            clock: Hlc::from_ms(u64::MAX >> 16),
            asked: 0,
            origin: "hill",
            kind,
            topic: "news",
            media_type: "text/plain",
            alias: "",
            parents: Vec::new(),
            previous: Cid::ZERO,
            payload: bytes,
        });
        show(&update.expect("an envelope carries anything"));
    }
}
