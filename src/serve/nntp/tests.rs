//! Newsreaders and feeders of a node in a simulated world, beside its HTTP.

use super::*;
use crate::news::{self, Progress};
use crate::serve::nntp::NntpConnection;
use crate::store::Place;

impl Bench {
    /// Someone comes with a newsreader, or to feed.
    fn newsreader(&mut self) -> usize {
        let endpoint = "tcp:119:interface=0.0.0.0".parse().unwrap();
        self.with(|cx, _| {
            let factory = |_: &Peer, desk: &mut TestDesk| -> Box<dyn Protocol<TestDesk>> {
                Box::new(NntpConnection::new(&desk.config.limits, None))
            };
            // The second time it listens already.
            drop(cx.listen(&endpoint, ListenOptions::default(), factory));
        });
        let no = self.connect_to("tcp:127.0.0.1:119");
        self.run(50);
        assert!(self.take(no).starts_with("20"));
        no
    }

    /// Says lines; what is answered.
    fn says(&mut self, no: usize, lines: &[&str]) -> String {
        self.send(no, lines.join("\r\n") + "\r\n");
        self.run(100);
        self.take(no)
    }

    /// Gives all revisions their numbers, as a node does; once.
    fn give_numbers(&mut self) {
        let store = &mut self.node.state.store;
        let mut progress = Progress { place: Place::START, skipped: 0, arrived_ms: 0 };
        while let Some((update, next)) = store.read_from(progress.place).unwrap() {
            news::number(store.index_mut(), &update, &mut progress, 1).unwrap();
            progress.place = next;
        }
    }
}

const LARGE: usize = 256 << 10;
const COUNT: usize = 16;

#[test]
fn a_list_of_large_articles_takes_many_turns() {
    let mut bench = Bench::new();
    for n in 0..COUNT {
        let large = "A line.\n".repeat(LARGE / 8);
        bench.put_text(&format!("/v1/stories/l{n}?section=large"), &large).is(201);
        bench.put_text(&format!("/v1/stories/s{n}?section=small"), "x").is(201);
    }
    bench.give_numbers();
    let no = bench.newsreader();
    for (list, lines) in [
        ("OVER 1-", COUNT + 2),
        ("HDR Subject 1-", COUNT + 2),
        ("HDR :bytes 1-", COUNT + 2),
        ("XPAT Subject 1- nothing", 2),
        ("NEWNEWS GROUP 19700101 000000", COUNT + 2),
    ] {
        let [few, many] = ["small", "large"].map(|group| {
            bench.says(no, &[&format!("GROUP {group}")]);
            let before = bench.node.reactor.stats().turns;
            let said = bench.says(no, &[&list.replace("GROUP", group)]);
            assert!(said.lines().count() == lines && said.ends_with("\r\n.\r\n"), "{said}");
            bench.node.reactor.stats().turns - before
        });
        // Two of them are a turn's share.
        assert!(many >= few + COUNT as u64 / 2 - 2, "{list}: {many} turns, and {few}");
    }
    let sizes = bench.says(no, &["GROUP large", "HDR :bytes 1", "ARTICLE 1"]);
    let (sizes, article) = sizes.split_once("\r\n.\r\n220 ").unwrap();
    let article = article.split_once("\r\n").unwrap().1.strip_suffix(".\r\n").unwrap();
    assert!(sizes.ends_with(&format!("\r\n1 {}", article.len())), "{sizes}");
}
