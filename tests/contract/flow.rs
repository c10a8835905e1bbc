//! Bytes: order, completeness, back-pressure, budgets, caps.

use std::sync::Arc;

use bellwether::base::Chunk;
use bellwether::reactor::{Backend, Class, ListenOptions, Lost, Settings};

use crate::bed::{Bed, Cx, Log, Script, Seen, is_secured, pattern, plenty};

pub(crate) fn echo_comes_back_whole<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| Script::new("server").echoes());
    let sent = pattern(300_000);
    bed.connect(&to, "client", Script::new("client").says(sent.clone()));
    bed.until(|log| log.got("client").len() >= 300_000);
    assert_eq!(bed.log.got("client"), sent);
    let stats = bed.reactor.stats();
    if is_secured() {
        // A handshake, and less than one part in a hundred for the records.
        assert!(stats.bytes_in == stats.bytes_out && stats.bytes_in < 608_000);
    } else {
        assert_eq!((stats.bytes_in, stats.bytes_out), (600_000, 600_000));
    }
}

pub(crate) fn close_flushes_everything_first<B: Backend>(backend: &dyn Fn() -> B) {
    let backend = backend();
    let sent = pattern(plenty(&backend) / 2);
    let mut bed = Bed::new(backend);
    let says = sent.clone();
    let (_, to) = bed.listen(move || {
        let says = says.clone();
        Script::new("server").made(move |cx, _| {
            cx.transport().write(&says);
            cx.transport().close();
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client"));
    bed.until_lost(&["server", "client"]);
    assert_eq!(bed.log.got("client").len(), sent.len());
    assert!(bed.log.got("client") == sent);
    assert_eq!(bed.log.lost("server"), Some(Lost::Local));
    assert_eq!(bed.log.lost("client"), Some(Lost::PeerClosed));
}

/// Takes whole lines only, one for each `more`.
fn line_server() -> Script {
    Script::new("server").received(|cx, log, input| {
        while cx.more() {
            let Some(end) = input.data().iter().position(|byte| *byte == b'\n') else { break };
            log.got.entry("lines").or_default().extend_from_slice(input.take(end + 1));
            *log.number("lines") += 1;
        }
        Ok(())
    })
}

pub(crate) fn input_is_offered_with_what_was_left<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(line_server);
    let text: Vec<u8> = (0..3_000).flat_map(|i| format!("line {i}\n").into_bytes()).collect();
    let (first, second) = (text[..1_003].to_vec(), text[1_003..].to_vec());
    let client = Script::new("client").says(first).notified(move |cx, _| {
        cx.transport().write(&second);
        Ok(())
    });
    bed.connect(&to, "client", client);
    bed.until(|log| log.numbers.get("lines").is_some_and(|n| *n > 50));
    let id = bed.log.ids["client"];
    bed.with(|cx, _| cx.transport_of(id).notify());
    bed.until(|log| log.numbers.get("lines") == Some(&3_000));
    assert!(bed.log.got("lines") == text);
}

pub(crate) fn pause_holds_input_and_resume_feeds_it<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        Script::new("server").made(|cx, _| {
            cx.transport().pause();
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client").says("hello"));
    bed.until(|log| log.saw("server", Seen::Made));
    bed.pass(60);
    assert!(!bed.log.saw("server", Seen::Received));
    let id = bed.log.ids["server"];
    bed.with(|cx, _| cx.transport_of(id).resume());
    bed.until(|log| log.got("server") == b"hello");
}

pub(crate) fn resume_offers_what_was_left_without_new_bytes<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        let mut first = true;
        Script::new("server").received(move |cx, log, input| {
            if std::mem::take(&mut first) {
                cx.transport().pause();
                return Ok(());
            }
            log.got.entry("server").or_default().extend_from_slice(input.take_all());
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client").says("x"));
    bed.until(|log| log.saw("server", Seen::Received));
    bed.pass(30);
    assert_eq!(bed.log.count("server", Seen::Received), 1);
    let id = bed.log.ids["server"];
    bed.with(|cx, _| cx.transport_of(id).resume());
    bed.until(|log| log.got("server") == b"x");
}

pub(crate) fn a_full_buffer_stops_the_reader_and_drained_tells_of_room<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let backend = backend();
    let rounds = plenty(&backend) as u64 / 70_000;
    let mut bed = Bed::new(backend);
    let (_, to) = bed.listen(move || {
        let fill = move |cx: &mut Cx<'_>, log: &mut Log| {
            while !cx.transport().is_full() && *log.number("rounds") < rounds {
                *log.number("rounds") += 1;
                cx.transport().write(&vec![7; 70_000]);
            }
            Ok(())
        };
        let server = Script::new("server").made(fill).drained(move |cx, log| {
            assert!(cx.transport().buffered() < 16 << 10);
            assert!(!cx.transport().is_full());
            fill(cx, log)
        });
        server.received(|cx, log, input| {
            assert!(!cx.transport().is_full(), "read while full");
            log.got.entry("server").or_default().extend_from_slice(input.take_all());
            Ok(())
        })
    });
    let client = Script::new("client").says("not read while full").received(|_, log, input| {
        *log.number("client") += input.take_all().len() as u64;
        Ok(())
    });
    bed.connect(&to, "client", client);
    bed.until(|log| log.numbers.get("client") == Some(&(rounds * 70_000)));
    assert!(bed.log.count("server", Seen::Drained) as u64 >= rounds - 1);
    bed.until(|log| log.got("server") == b"not read while full");
}

/// Sends this many bytes at once, and reads whatever its own buffer's state.
fn streams(name: &'static str, bytes: usize) -> Script {
    Script::new(name).says(vec![7; bytes]).received(move |_, log, input| {
        *log.number(name) += input.take_all().len() as u64;
        Ok(())
    })
}

pub(crate) fn peers_that_stream_to_each_other_do_not_wait_for_each_other<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let backend = backend();
    let bytes = plenty(&backend);
    let mut bed = Bed::new(backend);
    let options = ListenOptions { class: Class::Peer, ..ListenOptions::default() };
    let (_, to) = bed.listen_with(options, move || streams("server", bytes));
    bed.connect(&to, "client", streams("client", bytes));
    let all = |log: &Log, name| log.numbers.get(name) == Some(&(bytes as u64));
    bed.until(|log| all(log, "server") && all(log, "client"));
}

pub(crate) fn a_protocol_takes_its_share_of_a_turn_and_no_more<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let settings = Settings { events_per_turn: 10, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, to) = bed.listen(|| {
        Script::new("server").received(|cx, log, input| {
            let mut taken = 0;
            while !input.is_empty() && cx.more() {
                input.take(1);
                taken += 1;
                *log.number("taken") += 1;
            }
            assert!(taken <= 10);
            let turn = cx.stats().turns + 1;
            assert!(std::mem::replace(log.number("turn"), turn) < turn, "fed twice in a turn");
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client").says(vec![1; 995]));
    bed.until(|log| log.numbers.get("taken") == Some(&995));
    assert!(bed.log.count("server", Seen::Received) >= 100);
}

pub(crate) fn what_was_taken_is_told_to_its_end_though_no_input_is_left<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let settings = Settings { events_per_turn: 10, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, to) = bed.listen(|| {
        let mut untold = 0;
        Script::new("server").keeps_events().received(move |cx, log, input| {
            // As a codec that makes many events of few bytes does.
            untold += 25 * input.take_all().len();
            while untold > 0 && cx.more() {
                untold -= 1;
                *log.number("told") += 1;
            }
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client").says("x"));
    bed.until(|log| log.numbers.get("told") == Some(&25));
}

pub(crate) fn a_fast_sender_does_not_starve_another<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, sink) = bed.listen(|| {
        Script::new("sink").received(|cx, log, input| {
            let turn = cx.stats().turns;
            let same = std::mem::replace(log.number("sink turn"), turn) == turn;
            assert!(!same || turn == 0, "fed twice in one turn");
            assert!(input.len() <= 64 << 10);
            input.take_all();
            Ok(())
        })
    });
    let (_, echo) = bed.listen(|| Script::new("echo").echoes());
    let flood = |cx: &mut Cx<'_>, _: &mut Log| {
        while !cx.transport().is_full() {
            cx.transport().write(&vec![0; 100_000]);
        }
        Ok(())
    };
    bed.connect(&sink, "flood", Script::new("flood").made(flood).drained(flood));
    let ping = Script::new("ping").says("p").received(|cx, log, input| {
        *log.number("pings") += 1;
        cx.transport().write(input.take_all());
        Ok(())
    });
    bed.connect(&echo, "ping", ping);
    bed.until(|log| log.numbers.get("pings") == Some(&50));
    assert!(bed.log.saw("sink", Seen::Received));
    assert_eq!(bed.log.lost("flood"), None);
}

pub(crate) fn input_beyond_its_cap_loses_the_connection<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| Script::new("server").received(|_, _, _| Ok(())));
    bed.connect(&to, "client", Script::new("client").says(vec![b'x'; 200_000]));
    bed.until_lost(&["server"]);
    assert_eq!(bed.log.lost("server"), Some(Lost::Limit));
    assert_eq!(bed.reactor.stats().lost_for(Lost::Limit), 1);
}

pub(crate) fn a_larger_cap_lets_a_larger_message_in<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        let server = Script::new("server").made(|cx, _| {
            cx.transport().set_input_cap(200_000);
            Ok(())
        });
        server.received(|_, log, input| {
            if input.len() == 200_000 {
                log.got.insert("server", input.take_all().to_vec());
            }
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client").says(pattern(200_000)));
    bed.until(|log| !log.got("server").is_empty());
    assert!(bed.log.got("server") == pattern(200_000));
}

pub(crate) fn a_slow_reader_is_cut_by_the_hard_cap<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        // Writes on and on, deaf to `is_full`.
        let pump = |cx: &mut Cx<'_>, log: &mut Log| {
            let most = cx.transport().buffered() as u64;
            let known = *log.number("most");
            *log.number("most") = known.max(most);
            cx.transport().write(&vec![1; 100_000]);
            cx.transport().notify();
            Ok(())
        };
        Script::new("server").made(pump).notified(pump)
    });
    let client = Script::new("client").made(|cx, _| {
        cx.transport().pause();
        Ok(())
    });
    bed.connect(&to, "client", client);
    bed.until_lost(&["server"]);
    assert_eq!(bed.log.lost("server"), Some(Lost::Slow));
    // The cap, one write, and what may be added before the flush that finds it.
    assert!(*bed.log.number("most") <= (1 << 20) + (64 << 10) + 200_000);
}

pub(crate) fn one_large_write_may_pass_the_cap<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        Script::new("server").made(|cx, _| {
            cx.transport().write(b"head ");
            cx.transport().write(&vec![b'x'; 1_500_000]);
            cx.transport().write(b" tail");
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.got("client").len() == 1_500_010);
    assert!(bed.log.got("client").ends_with(b"xxx tail"));
}

pub(crate) fn a_fast_reader_may_be_sent_more_than_the_cap_in_a_turn<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let settings = Settings {
        client_out_bytes_max: 4_000,
        high_mark: 2_000,
        low_mark: 1_000,
        flush_bytes: 100,
        ..Settings::default()
    };
    let mut bed = Bed::with_settings(backend(), settings);
    // Within twice the cap, all in one turn; the socket takes it at once or nearly.
    let (_, to) = bed.listen(|| {
        Script::new("server").made(|cx, _| {
            for _ in 0..12 {
                cx.transport().write(&[3; 480]);
            }
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.got("client").len() == 5_760 || log.lost("server").is_some());
    assert_eq!(bed.log.lost("server"), None);
}

pub(crate) fn chunks_and_writes_keep_their_order<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let chunk: Chunk = Arc::from(pattern(40_000));
    let mut expected = Vec::new();
    for i in 0..20_u8 {
        expected.extend_from_slice(&[i; 10]);
        expected.extend_from_slice(&chunk);
    }
    let (_, to) = bed.listen(move || {
        let chunk = Chunk::clone(&chunk);
        Script::new("server").made(move |cx, _| {
            for i in 0..20_u8 {
                cx.transport().write(&[i; 10]);
                cx.transport().write_chunk(&chunk);
            }
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client"));
    let len = expected.len();
    bed.until(|log| log.got("client").len() == len);
    assert!(bed.log.got("client") == expected);
}

pub(crate) fn writes_of_one_turn_go_out_in_one_write<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        Script::new("server").made(|cx, log| {
            *log.number("writes") = cx.stats().writes;
            for _ in 0..50 {
                cx.transport().write(b"word ");
            }
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.got("client").len() == 250);
    let writes = bed.reactor.stats().writes - *bed.log.number("writes");
    // A simulated socket may take it in two or three bites.
    assert!(writes <= 10, "{writes} writes");
}
