//! The simulated network against a plain model: what was written is what is read.

use std::io::{ErrorKind, IoSlice};

use proptest::prelude::*;

use super::SimFaults;
use super::net::Net;
use crate::base::Key;
use crate::reactor::backend::{Close, Target};

/// Two ends of one stream, up.
fn pair(net: &mut Net) -> (Key, Key) {
    let host = net.host("one");
    let endpoint = "tcp:80".parse().unwrap();
    net.listen(host, &endpoint, 1).unwrap();
    let caller = net.connect(host, &Target::Tcp("127.0.0.1:80".parse().unwrap()));
    net.advance(1_000);
    let (called, _) = net.accept(host, 1).unwrap();
    assert!(net.connected(caller).unwrap().is_some());
    (caller, called)
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Read(usize),
    Advance(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1..5_000_usize).prop_map(Step::Write),
        3 => (1..5_000_usize).prop_map(Step::Read),
        2 => (0..30_u64).prop_map(Step::Advance),
    ];
    prop::collection::vec(step, 1..100)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bytes_arrive_whole_and_in_order(seed: u64, steps in steps()) {
        let mut net = Net::new(seed, SimFaults { window_bytes: 9_000, ..SimFaults::calm() });
        let (from, to) = pair(&mut net);
        let (mut written, mut read) = (0_usize, 0_usize);
        let mut space = vec![0; 5_000];
        let mut look = |net: &mut Net, want: usize| match net.read(to, &mut space[..want]) {
            Ok(n) => {
                for byte in &space[..n] {
                    assert_eq!(*byte, (read % 251) as u8);
                    read += 1;
                }
                Some(n)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Some(want),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                None
            }
        };
        for step in steps {
            match step {
                Step::Write(len) => {
                    let numbers = written..written + len;
                    let bytes: Vec<u8> = numbers.map(|i| (i % 251) as u8).collect();
                    let (front, back) = bytes.split_at(len / 3);
                    match net.write(from, &[IoSlice::new(front), IoSlice::new(back)]) {
                        Ok(n) => written += n,
                        Err(error) => prop_assert_eq!(error.kind(), ErrorKind::WouldBlock),
                    }
                }
                Step::Read(len) => drop(look(&mut net, len)),
                Step::Advance(ms) => net.advance(net.now + ms),
            }
        }
        net.close(from, Close::Orderly);
        net.advance(net.now + 100);
        while look(&mut net, 5_000) != Some(0) {}
        prop_assert_eq!(read, written);
    }
}

#[test]
fn one_end_sends_no_more_than_the_window_unread() {
    let faults = SimFaults { window_bytes: 1_000, ..SimFaults::none() };
    let mut net = Net::new(1, faults);
    let (from, to) = pair(&mut net);
    let write = |net: &mut Net, len| net.write(from, &[IoSlice::new(&vec![0; len])]);
    assert_eq!(write(&mut net, 5_000).unwrap(), 1_000);
    assert_eq!(write(&mut net, 1).unwrap_err().kind(), ErrorKind::WouldBlock);
    net.advance(net.now + 10);
    assert_eq!(net.read(to, &mut [0; 300]).unwrap(), 300);
    assert_eq!(write(&mut net, 1).unwrap_err().kind(), ErrorKind::WouldBlock);
    net.advance(net.now + 10);
    assert_eq!(write(&mut net, 5_000).unwrap(), 300);
}

#[test]
fn a_close_with_unread_bytes_is_a_reset() {
    let mut net = Net::new(2, SimFaults::none());
    let (from, to) = pair(&mut net);
    net.write(from, &[IoSlice::new(b"unread")]).unwrap();
    net.advance(net.now + 10);
    net.write(to, &[IoSlice::new(b"the last reply")]).unwrap();
    net.close(to, Close::Orderly);
    net.advance(net.now + 10);
    let error = net.read(from, &mut [0; 100]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the reply is eaten");
}

#[test]
fn writing_to_who_is_gone_is_answered_with_a_reset() {
    let mut net = Net::new(3, SimFaults::none());
    let (from, to) = pair(&mut net);
    net.close(to, Close::Orderly);
    net.advance(net.now + 10);
    assert_eq!(net.read(from, &mut [0; 9]).unwrap(), 0);
    net.write(from, &[IoSlice::new(b"still there?")]).unwrap();
    net.advance(net.now + 10);
    let error = net.write(from, &[IoSlice::new(b"no")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}
