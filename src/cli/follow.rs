//! `bellwether follow`: updates as they come, one line each, for as long as any of the nodes named
//! lives; what one node showed last is where the next one goes on.

use super::Command;
use super::args::{self, Args, Opt};
use super::client::{Answer, Node, plain, with_query};
use super::failure::{Failure, one_line};
use super::read::body_of;
use crate::proto::sse::{Decoder, Received};
use serde_json::Value;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::time::Duration;

pub(super) const COMMAND: Command = Command {
    name: "follow",
    about: "print updates as they come, from whichever node lives",
    help: HELP,
    run,
};

const HELP: &str = "\
Prints one line for each update that the herd makes: when, on which node, what. When the node dies,
goes on at the next --node (and then the first again, for ever), exactly after the last update that
was printed: nothing is lost, nothing comes twice.

Usage: bellwether follow [OPTION]…

Options:
  --node URL      a node to follow; may be given several times
                  (default http://127.0.0.1:8001, or $BELLWETHER_NODE)
  --section NAME  only stories of this section
  --topic NAME    only updates of this topic
  --after CURSOR  start behind this place: a cursor of any node of the herd, or 0 for the oldest
                  update held (default: now)
  --json          print each update as the JSON that the node sends; a gap as {\"gap\": …}
  -h, --help      this page

Ends when it is interrupted, or when whoever reads its output goes away. What happens to the
connection is told on stderr, and so is a gap: updates that nobody holds any more, or that were
left out because this reader was too slow for all of them.

Examples:
  bellwether follow --node http://127.0.0.1:8001 --node http://127.0.0.1:8002
  bellwether follow --after 0 --section politics --json | jq .title
";

const OPTIONS: &[Opt] = &[
    args::value("node"),
    args::value("section"),
    args::value("topic"),
    args::value("after"),
    args::flag("json"),
];

/// The largest event: 16 MiB of a topic update in base64, and its JSON.
const EVENT_BYTES_MAX: usize = 32 << 20;
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("follow", OPTIONS, given)?;
    args.none_free()?;
    let owned = |long| Ok::<_, Failure>(args.text(long)?.map(str::to_owned));
    let nodes = args.nodes()?.iter().map(|url| Node::new(url)).collect::<Result<_, _>>()?;
    let mut follower = Follower {
        nodes,
        section: owned("section")?,
        topic: owned("topic")?,
        cursor: owned("after")?,
        json: args.has("json"),
    };
    follower.run(out, &mut io::stderr(), &std::thread::sleep)
}

struct Follower {
    nodes: Vec<Node>,
    section: Option<String>,
    topic: Option<String>,
    /// The place behind what was printed; none: now, wherever that is.
    cursor: Option<String>,
    json: bool,
}

/// How following one node ended, when another may go on.
struct Lost {
    why: String,
    /// It showed something before.
    was_useful: bool,
}

impl Lost {
    fn at_once(why: String) -> Self {
        Self { why, was_useful: false }
    }
}

impl Follower {
    /// Follows one node after the other; ends only with a failure that no node can mend.
    fn run(
        &mut self,
        out: &mut dyn Write,
        notes: &mut dyn Write,
        pause: &dyn Fn(Duration),
    ) -> Result<(), Failure> {
        let mut next_pause = PAUSE_MIN;
        let mut in_vain = 0;
        for turn in 0.. {
            let at = turn % self.nodes.len();
            let lost = self.attend(at, out, notes, in_vain > 0)?;
            if lost.was_useful {
                in_vain = 0;
                next_pause = PAUSE_MIN;
            }
            if in_vain == 0 {
                let base = self.nodes[at].base();
                writeln!(notes, "follow: lost {base}: {}", one_line(&lost.why))?;
            }
            in_vain += 1;
            // A whole round in vain: all of them need time.
            if in_vain % self.nodes.len() == 0 {
                pause(next_pause);
                next_pause = (next_pause * 2).min(PAUSE_MAX);
            }
        }
        Ok(())
    }

    /// Follows one node until it is lost.
    fn attend(
        &mut self,
        at: usize,
        out: &mut dyn Write,
        notes: &mut dyn Write,
        was_lost: bool,
    ) -> Result<Lost, Failure> {
        let node = &self.nodes[at];
        if self.cursor.is_none() {
            match now(node)? {
                Ok(cursor) => self.cursor = cursor,
                Err(lost) => return Ok(lost),
            }
        }
        let query = [
            ("section", self.section.as_deref()),
            ("topic", self.topic.as_deref()),
            ("after", self.cursor.as_deref()),
        ];
        let mut stream = match node.stream(&with_query("/v1/stream", &query)) {
            Ok(Ok(stream)) => stream,
            Ok(Err(answer)) => return refused(&answer),
            Err(error) => return Ok(Lost::at_once(error.to_string())),
        };
        if was_lost {
            writeln!(notes, "follow: going on at {}", node.base())?;
        }
        let place = self.cursor.clone().unwrap_or_default();
        let mut decoder = Decoder::new(EVENT_BYTES_MAX, &place);
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = match stream.read(&mut buffer) {
                Ok(0) => return Ok(Lost { why: "the stream ended".to_owned(), was_useful: true }),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Lost { why: error.to_string(), was_useful: true }),
            };
            self.show(&mut decoder, &buffer[..read], out, notes)?;
        }
    }

    /// Prints the events that are complete.
    fn show(
        &mut self,
        decoder: &mut Decoder,
        mut bytes: &[u8],
        out: &mut dyn Write,
        notes: &mut dyn Write,
    ) -> Result<(), Failure> {
        let too_large = |error| Failure::failed(format!("{error}: is this a bellwether node?"));
        while let Some(received) = decoder.next(&mut bytes).map_err(too_large)? {
            let Received::Event { name, last_id, data } = received else { continue };
            match &*name {
                "update" if self.json => writeln!(out, "{data}")?,
                "update" => writeln!(out, "{}", line(&data))?,
                "gap" if self.json => writeln!(out, "{{\"gap\":{data}}}")?,
                "gap" => writeln!(notes, "follow: {}", gap_line(&data))?,
                _ => continue,
            }
            if !last_id.is_empty() {
                self.cursor = Some(last_id);
            }
        }
        Ok(out.flush()?)
    }
}

/// A gap for people: how many, and how to read what of them is still held.
fn gap_line(data: &str) -> String {
    let gap: Value = serde_json::from_str(data).unwrap_or(Value::Null);
    let updates = match gap["count"].as_u64() {
        Some(1) => "1 update is".to_owned(),
        Some(count) => format!("{count} updates are"),
        None => "updates are".to_owned(),
    };
    match gap["from"].as_str() {
        Some(from) => one_line(&format!(
            "a gap: {updates} missing; those that are still held stand behind --after {from}"
        )),
        None => format!("a gap: {updates} missing"),
    }
}

/// The cursor of this moment on a node, so that a node lost before its first update costs none.
fn now(node: &Node) -> Result<Result<Option<String>, Lost>, Failure> {
    let answer = match node.get("/v1/updates?wait=0") {
        Ok(answer) if answer.is_success() => answer.json(),
        Ok(answer) => return refused(&answer).map(Err),
        Err(error) => return Ok(Err(Lost::at_once(error.to_string()))),
    };
    let came = answer["updates"].as_array().is_some_and(|updates| !updates.is_empty());
    // With an update in the answer its cursor stands behind that, which was not printed.
    Ok(Ok(answer["cursor"].as_str().filter(|_| !came).map(str::to_owned)))
}

/// A node that cannot now, or a request that no node will take.
fn refused(answer: &Answer) -> Result<Lost, Failure> {
    match answer.status {
        429 | 500.. => Ok(Lost::at_once(answer.problem())),
        _ => Err(Failure::failed(answer.problem())),
    }
}

/// An update for people, in one line.
fn line(data: &str) -> String {
    let update: Value = serde_json::from_str(data).unwrap_or(Value::Null);
    let text = |key: &str| plain(&update[key]);
    let what = match update["kind"].as_str() {
        Some("revision") => revision(&update),
        Some("withdrawal") => format!("withdrawn: {}", text("title")),
        Some(_) => format!("{}: {}", text("topic"), content(&update)),
        None => data.to_owned(),
    };
    one_line(&format!("{} {} {what}", text("at"), text("origin")))
}

fn revision(update: &Value) -> String {
    let text = |key: &str| plain(&update[key]);
    let section = text("section");
    let verb = if text("base").is_empty() { "new" } else { "edited" };
    let mut line = match &*section {
        "" => format!("{verb}: {}", text("title")),
        section => format!("{verb} in {section}: {}", text("title")),
    };
    if text("headline") != text("title") && !text("headline").is_empty() {
        line.extend([" - ", &text("headline")]);
    }
    if !text("author").is_empty() {
        line.extend([" (", &text("author"), ")"]);
    }
    line
}

/// The beginning of a text, the size of anything else.
fn content(update: &Value) -> String {
    match update["body"].as_str() {
        Some(text) if text.chars().count() <= 200 => text.to_owned(),
        Some(text) => format!("{}…", text.chars().take(200).collect::<String>()),
        None => {
            let bytes = body_of(update).map_or(0, |body| body.len());
            format!("{bytes} bytes of {}", plain(&update["media_type"]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Reply, TestNode};
    use super::*;
    use std::sync::{Arc, Mutex};

    fn follow(
        nodes: &[&TestNode],
        json: bool,
        pause: &dyn Fn(Duration),
    ) -> (Failure, String, String) {
        let nodes = nodes.iter().map(|node| Node::new(&node.url).unwrap()).collect();
        let mut follower = Follower { nodes, section: None, topic: None, cursor: None, json };
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let failure = follower.run(&mut out, &mut notes, pause).unwrap_err();
        (failure, String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap())
    }

    fn event(id: &str, title: &str) -> String {
        format!(
            "id: {id}\nevent: update\ndata: {{\"kind\":\"revision\",\"at\":\"T\",\"origin\":\"o\",\
             \"title\":\"{title}\"}}\n\n"
        )
    }

    const NOW: &str = r#"{"updates":[],"cursor":"c0","gap":null}"#;

    #[test]
    fn a_dead_node_is_followed_by_the_next_from_the_last_cursor() {
        let first = TestNode::new(|asked| match &*asked.target {
            "/v1/updates?wait=0" => Reply::Json(200, "", NOW.to_owned()),
            "/v1/stream?after=c0" => {
                // The second event is cut off: it comes again from the next node.
                Reply::Stream(format!(": hi\n\n{}id: c2\nevent: upd", event("c1", "A")))
            }
            "/v1/stream?after=c2" => Reply::Json(400, "", "{\"title\":\"end of test\"}".into()),
            other => panic!("{other}"),
        });
        let second = TestNode::new(|asked| match &*asked.target {
            "/v1/stream?after=c1" => Reply::Stream(event("c2", "B")),
            other => panic!("{other}"),
        });
        let (failure, out, notes) = follow(&[&first, &second], false, &|_| panic!("no pause"));
        assert_eq!(failure.to_string(), "the node answered 400: end of test");
        assert_eq!(out, "T o new: A\nT o new: B\n");
        assert!(notes.contains(&format!("lost {}", first.url)), "{notes}");
        assert!(notes.contains(&format!("going on at {}", second.url)), "{notes}");
    }

    #[test]
    fn nodes_that_are_all_away_are_asked_again_after_growing_pauses() {
        let answers = Arc::new(Mutex::new(0));
        let count = Arc::clone(&answers);
        let node = TestNode::new(move |_| {
            *count.lock().unwrap() += 1;
            let status = if *count.lock().unwrap() > 16 { 404 } else { 503 };
            Reply::Json(status, "", String::new())
        });
        let paused = Mutex::new(Vec::new());
        let (_, _, notes) =
            follow(&[&node, &node], true, &|pause| paused.lock().unwrap().push(pause));
        let paused: Vec<u128> =
            paused.into_inner().unwrap().iter().map(Duration::as_millis).collect();
        assert_eq!(paused, [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        assert_eq!(notes.lines().count(), 1, "{notes}");
    }

    #[test]
    fn json_goes_through_as_it_came_and_gaps_are_told() {
        let gap = "event: gap\nid: g\ndata: {\"count\":3}\n\n";
        let node = TestNode::new(move |asked| match &*asked.target {
            "/v1/updates?wait=0" => Reply::Json(200, "", NOW.to_owned()),
            "/v1/stream?after=c0" => Reply::Stream(format!("{gap}{}", event("c1", "A"))),
            _ => Reply::Json(400, "", String::new()),
        });
        let (_, out, _) = follow(&[&node], true, &|_| ());
        let (first, second) = out.split_once('\n').unwrap();
        assert_eq!(first, "{\"gap\":{\"count\":3}}");
        assert_eq!(serde_json::from_str::<Value>(second).unwrap()["title"], "A");
        let (_, out, notes) = follow(&[&node], false, &|_| ());
        assert_eq!(out, "T o new: A\n");
        assert!(notes.contains("follow: a gap: 3 updates are missing\n"), "{notes}");
        let whole = gap_line(r#"{"from":"c1","to":"c2","count":1}"#);
        assert!(
            whole.starts_with("a gap: 1 update is missing; those") && whole.ends_with("--after c1")
        );
    }

    #[test]
    fn every_kind_of_update_is_one_line_without_control_characters() {
        let edited = r#"{"at":"T","origin":"Hill","kind":"revision","section":"s","title":"A",
            "headline":"B","author":"Mia","base":["x"]}"#;
        assert_eq!(line(edited), "T Hill edited in s: A - B (Mia)");
        let gone = r#"{"at":"T","origin":"o","kind":"withdrawal","title":"A\u001b[2J\nb"}"#;
        assert_eq!(line(gone), "T o withdrawn: A [2J b");
        let data = r#"{"at":"T","origin":"o","kind":"data","topic":"t","body_base64":"AAA=",
            "media_type":"image/png"}"#;
        assert_eq!(line(data), "T o t: 2 bytes of image/png");
        let text = r#"{"at":"T","origin":"o","kind":"report","topic":"places","body":"a\nb"}"#;
        assert_eq!(line(text), "T o places: a b");
        assert_eq!(line("junk"), "junk");
    }
}
