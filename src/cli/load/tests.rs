//! Whole runs in virtual time, against a server in the same loop that stalls, goes silent or hangs
//! up when a test wants it to. Each way takes 1 ms.

use super::crew::{Crew, Shared};
use super::fleet::settings;
use super::plan::Plan;
use super::tally::{Tally, Trouble};
use super::{Args, OPTIONS};
use crate::base::{InBuf, Tick};
use crate::reactor::{Ctx, ListenOptions, Outcome, Peer, Protocol, Reactor, SimBackend, SimFaults};
use std::ffi::OsString;
use std::ops::Range;
use std::sync::Arc;

/// What the server does with a request that came at this time of its loop.
#[derive(Clone, Debug, Default)]
struct Mood {
    /// Answers nothing before the end of this time.
    stalls: Range<Tick>,
    /// Hangs up instead of answering.
    hangs_up: Range<Tick>,
    answer: &'static str,
    /// Closes after each answer.
    closes: bool,
}

struct Server(Mood);

impl Protocol<Crew> for Server {
    fn received(&mut self, cx: &mut Ctx<'_, Crew>, _: &mut Crew, input: &mut InBuf) -> Outcome {
        let now = cx.now();
        if self.0.hangs_up.contains(&now) {
            cx.transport().abort();
            return Ok(());
        }
        if self.0.stalls.contains(&now) {
            let id = cx.id();
            cx.transport().pause();
            cx.call_later(self.0.stalls.end - now, move |cx, _| cx.transport_of(id).resume());
            return Ok(());
        }
        while let Some(end) = input.data().windows(4).position(|window| window == b"\r\n\r\n") {
            input.consume(end + 4);
            cx.transport().write(self.0.answer.as_bytes());
            if self.0.closes {
                cx.transport().close();
            }
        }
        Ok(())
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

fn mood() -> Mood {
    Mood { answer: OK, ..Mood::default() }
}

/// A run of 10 s without warm-up, unless the words say otherwise.
fn load(mood: &Mood, words: &[&str]) -> Tally {
    let mut all = vec!["http://127.0.0.1:8000/", "--warmup=0"];
    all.extend(words);
    let words: Vec<OsString> = all.iter().map(OsString::from).collect();
    let plan = Plan::read(&Args::parse("load", OPTIONS, &words).unwrap()).unwrap();
    let shared = Arc::new(Shared::default());
    let mut crew = Crew::new(&Arc::new(plan), &shared, 0, 0, 0);
    let backend = SimBackend::alone(1, SimFaults::none());
    let mut reactor = Reactor::new(backend, settings()).unwrap();
    let mood = mood.clone();
    reactor.with(&mut crew, |cx, crew| {
        let server = move |_: &Peer, _: &mut Crew| -> Box<dyn Protocol<Crew>> {
            Box::new(Server(mood.clone()))
        };
        cx.listen(&"tcp:8000".parse().unwrap(), ListenOptions::default(), server).unwrap();
        crew.begin(cx);
    });
    while !crew.is_over() {
        assert!(reactor.turn(&mut crew).unwrap());
    }
    assert_eq!(shared.failure(), None);
    crew.tally
}

/// Percentiles in milliseconds.
fn ms(tally: &Tally, percent: f64) -> f64 {
    tally.latency.percentile(percent) as f64 / 1e6
}

fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= expected / 50.0, "{found}, not {expected}");
}

#[test]
fn a_closed_loop_asks_again_when_it_is_answered() {
    let tally = load(&mood(), &["-c3"]);
    // There and back: 2 ms.
    assert_near(tally.answers as f64, 15_000.0);
    assert_near(ms(&tally, 50.0), 2.0);
    assert_near(ms(&tally, 100.0), 2.0);
    assert_eq!((tally.troubles(), tally.unanswered), (0, 0));
    assert_eq!(tally.statuses.keys().collect::<Vec<_>>(), [&200]);
    assert_eq!(tally.elapsed_ns, 10_000_000_000);
    assert_eq!(tally.slices.iter().sum::<u64>(), tally.answers);
    assert!(tally.bytes_in >= tally.answers * OK.len() as u64);
}

#[test]
fn a_pipelined_batch_is_asked_together_and_answered_one_by_one() {
    let tally = load(&mood(), &["-c2", "--pipeline=16", "-d1"]);
    assert_near(tally.answers as f64, 16_000.0);
    assert_near(ms(&tally, 100.0), 2.0);
}

#[test]
fn an_open_loop_keeps_its_pace_whatever_it_is() {
    for rate in [1, 30, 700, 5_000] {
        let tally = load(&mood(), &["-c50", &format!("--rate={rate}")]);
        let (all, expected) = (tally.answers + tally.unanswered, 10 * rate);
        assert!(all.abs_diff(expected) <= 1, "{all} of {expected}");
        // A start between two ticks of the virtual clock waits for the next.
        assert!(ms(&tally, 100.0) <= 3.1, "{}", ms(&tally, 100.0));
        assert_eq!(tally.troubles(), 0);
    }
}

#[test]
fn latency_counts_from_the_intended_start_when_the_server_stalls() {
    let stalling = Mood { stalls: 3_000..5_000, ..mood() };
    let tally = load(&stalling, &["-c1", "--rate=100", "--pipeline=1000"]);
    assert_eq!(tally.answers + tally.unanswered, 1_000);
    // Of a thousand, two hundred would have come while the server stalled, the first of which
    // waited for 2 s, the last for none.
    assert_near(ms(&tally, 75.0), 2.0);
    assert!((ms(&tally, 90.0) - 1_000.0).abs() < 30.0, "{}", ms(&tally, 90.0));
    assert!((ms(&tally, 99.0) - 1_900.0).abs() < 30.0, "{}", ms(&tally, 99.0));
    // A closed loop does not see it: that is what the open one is for.
    let blind = load(&stalling, &["-c1"]);
    assert_near(ms(&blind, 99.0), 2.0);
    assert_near(ms(&blind, 100.0), 2_000.0);
}

#[test]
fn who_is_not_asked_for_want_of_a_connection_has_waited_all_the_same() {
    let stalling = Mood { stalls: 3_000..5_000, ..mood() };
    let tally = load(&stalling, &["-c1", "--rate=100"]);
    assert_eq!(tally.answers + tally.unanswered, 1_000);
    assert!((ms(&tally, 90.0) - 1_150.0).abs() < 200.0, "{}", ms(&tally, 90.0));
}

#[test]
fn who_is_unanswered_at_the_end_counts_with_the_time_waited() {
    let stalling = Mood { stalls: 6_000..60_000, ..mood() };
    let tally = load(&stalling, &["-c4", "--rate=100", "--timeout=60"]);
    assert!(tally.unanswered.abs_diff(400) <= 2, "{}", tally.unanswered);
    assert_eq!(tally.answers + tally.unanswered, tally.latency.len());
    assert!((ms(&tally, 100.0) - 4_000.0).abs() < 50.0, "{}", ms(&tally, 100.0));
}

#[test]
fn a_connection_without_answer_in_time_is_given_up_and_another_made() {
    let stalling = Mood { stalls: 1_000..3_000, ..mood() };
    let tally = load(&stalling, &["-c5", "--pipeline=2", "--timeout=1.5", "-d4"]);
    assert_eq!((tally.trouble(Trouble::Timeout), tally.troubles()), (10, 10));
    assert!(tally.answers > 8_000, "{}", tally.answers);
}

#[test]
fn a_connection_that_ends_early_is_an_error_for_each_request_on_it() {
    let moody = Mood { hangs_up: 1_000..1_500, ..mood() };
    let tally = load(&moody, &["-c2", "--pipeline=3", "-d3"]);
    let closed = tally.trouble(Trouble::Closed);
    assert!(closed >= 6 && closed.is_multiple_of(3), "{closed}");
    assert_eq!(tally.troubles(), closed);
    assert!(tally.answers > 4_000, "{}", tally.answers);
}

#[test]
fn answers_that_refuse_are_errors_and_no_answers() {
    let answer = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n";
    let tally = load(&Mood { answer, ..mood() }, &["-d1"]);
    assert_eq!((tally.answers, tally.latency.len()), (0, 0));
    assert_near(tally.trouble(Trouble::Refused) as f64, 500.0);
    assert_near(tally.statuses[&503] as f64, 500.0);
}

#[test]
fn bytes_that_are_no_answer_and_answers_to_nothing_are_wire_errors() {
    let answers = ["nonsense\r\n\r\n", "HTTP/1.1 204 a\r\n\r\nHTTP/1.1 204 b\r\n\r\n"];
    for answer in answers {
        let tally = load(&Mood { answer, ..mood() }, &["-d1"]);
        assert!(tally.trouble(Trouble::Wire) > 0, "{answer}");
        assert_eq!(tally.troubles(), tally.trouble(Trouble::Wire));
    }
}

#[test]
fn without_keep_alive_each_request_makes_a_connection_and_counts_that() {
    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    for closes in [false, true] {
        let mood = Mood { answer, closes, ..mood() };
        let tally = load(&mood, &["-c2", "--no-keep-alive", "-d2"]);
        // There and back twice.
        assert!((ms(&tally, 50.0) - 4.0).abs() < 1.1, "{}", ms(&tally, 50.0));
        assert!(tally.answers > 600, "{}", tally.answers);
        assert_eq!(tally.troubles(), 0);
        let open = load(&mood, &["-c20", "--no-keep-alive", "--rate=500", "-d2"]);
        assert_eq!((open.answers + open.unanswered, open.troubles()), (1_000, 0));
    }
}

#[test]
fn a_server_that_closes_after_its_answer_is_asked_on_a_new_connection() {
    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    let tally = load(&Mood { answer, closes: true, ..mood() }, &["-d2"]);
    assert!(tally.answers > 300, "{}", tally.answers);
    assert_eq!(tally.troubles(), 0);
}

#[test]
fn warm_up_is_not_counted() {
    let stalling = Mood { stalls: 0..900, ..mood() };
    let tally = load(&stalling, &["--warmup=1", "-d1"]);
    assert_near(ms(&tally, 100.0), 2.0);
    let open = load(&stalling, &["--warmup=1", "-d1", "--rate=100", "-c200"]);
    assert_eq!(open.answers + open.unanswered, 100);
    assert!(ms(&open, 100.0) <= 3.1, "{}", ms(&open, 100.0));
}
