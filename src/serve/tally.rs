//! What the protocols count: requests by route and status, streams and long polls under way, line
//! commands by verb. Plain numbers of one node, bumped on the loop; and the one `Date` line that
//! all answers of a second share.

use super::pb::PbTally;
use crate::metrics::{DURATION_NS_BOUNDS, Exposition, Histogram, Tops, Unit};
use crate::proto::http::{DATE_BYTES, DateCache, Status};
use crate::reactor::Peer;
use crate::serve::nntp;
use std::collections::BTreeMap;

macro_rules! routes {
    ($($name:ident = $label:literal,)*) => {
        /// A route of HTTP as the metrics name it: titles and ids are left out, so that the number
        /// of labels does not grow with the archive.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // Each name is its label, and the labels are contract.md's routes.
        pub enum RouteLabel {
            $($name,)*
        }

        impl RouteLabel {
            const ALL: &[Self] = &[$(Self::$name,)*];

            /// The text of the label.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

routes! {
    Hello = "/hello",
    Front = "/",
    StoryPage = "/stories/{title}",
    HistoryPage = "/stories/{title}/history",
    SearchPage = "/search",
    Feed = "/feed.atom",
    SectionFeed = "/sections/{name}/feed.atom",
    StoryFeed = "/stories/{title}/feed.atom",
    DiffPage = "/stories/{title}/diff",
    EditPage = "/stories/{title}/edit",
    WithdrawPage = "/stories/{title}/withdraw",
    WritePage = "/write",
    Sections = "/sections",
    Section = "/sections/{name}",
    Changes = "/changes",
    Map = "/map",
    Stylesheet = "/style.css",
    Script = "/site.js",
    EditScript = "/edit.js",
    Icon = "/icon.svg",
    Stories = "/v1/stories",
    Story = "/v1/stories/{title}",
    History = "/v1/stories/{title}/history",
    Revision = "/v1/revisions/{id}",
    Diff = "/v1/revisions/{a}/diff/{b}",
    Topic = "/v1/topics/{topic}",
    Search = "/v1/search",
    Updates = "/v1/updates",
    Spread = "/v1/updates/{id}/spread",
    Stream = "/v1/stream",
    Socket = "/v1/ws",
    Echo = "/v1/ws/echo",
    Herd = "/v1/herd",
    Charter = "/v1/charter",
    Accounts = "/v1/accounts",
    Tokens = "/v1/tokens",
    SignIn = "/sign-in",
    SignOut = "/sign-out",
    Healthz = "/healthz",
    Readyz = "/readyz",
    Metrics = "/metrics",
    HerdMetrics = "/metrics/herd",
    Trace = "/v1/updates/{id}/trace",
    PanelView = "/v1/panel",
    Panel = "/panel",
    PanelConfirm = "/panel/confirm",
    PanelDo = "/panel/do",
    PanelStyle = "/panel.css",
    PanelScript = "/panel.js",
    Unknown = "unknown",
    Malformed = "malformed",
}

/// Pairs of a limit and an address that are counted.
const OVER_MAX: usize = 64;

/// Counters of the protocols, one value for a node.
#[derive(Debug)]
pub struct Tally {
    /// By route, in the order of [`RouteLabel::ALL`]: the statuses answered so far. A route
    /// has a handful of them, and its most frequent one nearly always came first.
    requests: Vec<Vec<(Status, u64)>>,
    commands: BTreeMap<&'static str, u64>,
    /// HTTP connections open now.
    pub http_connections: u64,
    /// From the head of a request to its answer, in nanoseconds, in whole turns of the loop; those
    /// that are answered from what is kept printed are not timed.
    pub http_ns: Histogram,
    /// Who is over which limit: the limit, the address.
    over: Tops<(&'static str, String)>,
    sign_ins: BTreeMap<&'static str, u64>,
    /// Telnet consoles open now.
    pub telnet_connections: u64,
    /// Those of them that follow what is published.
    pub telnet_followers: u64,
    telnet_commands: BTreeMap<&'static str, u64>,
    /// Event streams open now.
    pub streams: u64,
    /// Long polls that wait now.
    pub long_polls: u64,
    /// Bytes kept of the bodies of HTTP requests under way.
    pub body_bytes: u64,
    /// Updates sent over event streams.
    pub stream_updates: u64,
    /// Sockets (of `/v1/ws`) open now.
    pub sockets: u64,
    /// Updates sent over sockets.
    pub socket_updates: u64,
    /// Subscriptions of sockets open now.
    pub socket_subscriptions: u64,
    /// Gaps told to readers.
    pub gaps: u64,
    /// Updates that readers were told to miss.
    pub gap_updates: u64,
    /// Readers found to lag, each time.
    pub lagged: u64,
    /// Readers of streams that took nothing for too long.
    pub stalled: u64,
    /// Newsreaders and feeders.
    pub nntp: nntp::Figures,
    /// What is counted of Perspective Broker.
    pub pb: PbTally,
    dates: DateCache,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            requests: vec![Vec::new(); RouteLabel::ALL.len()],
            commands: BTreeMap::new(),
            http_connections: 0,
            http_ns: Histogram::new(DURATION_NS_BOUNDS),
            over: Tops::new(OVER_MAX),
            sign_ins: BTreeMap::new(),
            telnet_connections: 0,
            telnet_followers: 0,
            telnet_commands: BTreeMap::new(),
            streams: 0,
            long_polls: 0,
            body_bytes: 0,
            stream_updates: 0,
            sockets: 0,
            socket_updates: 0,
            socket_subscriptions: 0,
            gaps: 0,
            gap_updates: 0,
            lagged: 0,
            stalled: 0,
            nntp: nntp::Figures::default(),
            pb: PbTally::default(),
            dates: DateCache::new(0),
        }
    }
}

impl Tally {
    /// Nothing counted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts an answered request.
    #[inline]
    pub fn on_answer(&mut self, route: RouteLabel, status: Status) {
        let counts = &mut self.requests[route as usize];
        match counts.iter_mut().find(|(counted, _)| *counted == status) {
            Some((_, count)) => *count += 1,
            None => counts.push((status, 1)),
        }
    }

    /// How many requests of a route were answered with a status.
    pub fn answers(&self, route: RouteLabel, status: Status) -> u64 {
        let counts = &self.requests[route as usize];
        counts.iter().find(|(counted, _)| *counted == status).map_or(0, |(_, count)| *count)
    }

    /// All requests answered so far.
    pub fn requests(&self) -> u64 {
        self.requests.iter().flatten().map(|(_, count)| count).sum()
    }

    /// All line commands so far.
    pub fn commands(&self) -> u64 {
        self.commands.values().sum()
    }

    /// Someone is over a limit, and was told so by this status. Other statuses count for nothing.
    pub fn on_refused(&mut self, status: Status, from: Peer) {
        let Some(limit) = limit_of(status) else { return };
        let address = match from {
            Peer::Tcp(addr) => addr.ip().to_canonical().to_string(),
            Peer::Unix => "unix".to_owned(),
        };
        self.over.count((limit, address));
    }

    /// Who is over which limit, the most frequent first: the limit, the address, how often.
    pub fn over(&self) -> impl Iterator<Item = (&'static str, &str, u64)> {
        self.over.most().into_iter().map(|((limit, address), count)| (*limit, &address[..], count))
    }

    /// Counts a line command. `verb` comes from a closed list: never from the peer.
    pub fn on_command(&mut self, verb: &'static str) {
        *self.commands.entry(verb).or_default() += 1;
    }

    /// Counts a command of a Telnet console. `verb` comes from a closed list.
    pub fn on_telnet(&mut self, verb: &'static str) {
        *self.telnet_commands.entry(verb).or_default() += 1;
    }

    /// Counts a try to sign in. `end` comes from a closed list.
    pub fn on_sign_in(&mut self, end: &'static str) {
        *self.sign_ins.entry(end).or_default() += 1;
    }

    /// The `Date` of an answer at this wall time, in nanoseconds since 1970: written once a second.
    #[inline]
    pub fn date(&mut self, wall_ns: u64) -> &[u8; DATE_BYTES] {
        self.dates.at(wall_ns / 1_000_000_000)
    }

    /// Writes all counters.
    pub fn expose(&self, out: &mut Exposition) {
        for (route, counts) in RouteLabel::ALL.iter().zip(&self.requests) {
            for (status, count) in counts {
                let code = status.code().to_string();
                let labels = [("route", route.text()), ("status", &code[..])];
                let help = "Requests answered, by route and status.";
                out.counter("bellwether_http_requests_total", help, &labels, *count);
            }
        }
        let help = "From a request's head to its answer, those answered as printed left out.";
        let unit = Unit::Nanoseconds;
        out.histogram("bellwether_http_request_seconds", help, &[], &self.http_ns, unit);
        let help = "HTTP connections open now.";
        out.gauge("bellwether_http_connections_open", help, &[], self.http_connections);
        let help = "Event streams open now.";
        out.gauge("bellwether_http_streams_open", help, &[], self.streams);
        let help = "Long polls that wait now.";
        out.gauge("bellwether_http_long_polls_waiting", help, &[], self.long_polls);
        let help = "Bytes kept of the bodies of requests under way.";
        out.gauge("bellwether_http_body_bytes", help, &[], self.body_bytes);
        let help = "Updates sent over event streams.";
        out.counter("bellwether_http_stream_updates_total", help, &[], self.stream_updates);
        let help = "WebSockets open now.";
        out.gauge("bellwether_ws_connections_open", help, &[], self.sockets);
        let help = "Subscriptions of WebSockets open now.";
        out.gauge("bellwether_ws_subscriptions_open", help, &[], self.socket_subscriptions);
        let help = "Updates sent over WebSockets.";
        out.counter("bellwether_ws_updates_total", help, &[], self.socket_updates);
        for (name, help, value) in [
            ("bellwether_reader_gaps_total", "Gaps told to readers.", self.gaps),
            (
                "bellwether_reader_gap_updates_total",
                "Updates that readers were told to miss.",
                self.gap_updates,
            ),
            (
                "bellwether_readers_lagged_total",
                "Times that a live reader was given only the newest of what it was behind.",
                self.lagged,
            ),
            (
                "bellwether_readers_stalled_total",
                "Readers of streams that were cut because they took nothing.",
                self.stalled,
            ),
        ] {
            out.counter(name, help, &[], value);
        }
        for (end, count) in &self.sign_ins {
            let help = "Tries to sign in, by how they ended.";
            out.counter("bellwether_sign_ins_total", help, &[("end", end)], *count);
        }
        let help = "Telnet consoles open now.";
        out.gauge("bellwether_telnet_connections_open", help, &[], self.telnet_connections);
        let help = "Telnet consoles that follow what is published.";
        out.gauge("bellwether_telnet_followers", help, &[], self.telnet_followers);
        for (verb, count) in &self.telnet_commands {
            let help = "Commands of Telnet consoles, by verb.";
            out.counter("bellwether_telnet_commands_total", help, &[("verb", verb)], *count);
        }
        for (verb, count) in &self.commands {
            let help = "Commands of the line protocol, by verb.";
            out.counter("bellwether_line_commands_total", help, &[("verb", verb)], *count);
        }
        self.nntp.expose(out);
        self.pb.expose(out);
    }
}

/// The limit that a status tells of.
fn limit_of(status: Status) -> Option<&'static str> {
    Some(match status.code() {
        401 | 403 => "not allowed",
        408 => "too slow",
        413 => "body too large",
        414 | 431 => "head too large",
        429 => "too often",
        503 => "asked to try later",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_status() {
        let mut tally = Tally::new();
        for status in [Status::OK, Status::NOT_FOUND, Status::OK] {
            tally.on_answer(RouteLabel::Story, status);
        }
        tally.on_answer(RouteLabel::Malformed, Status::BAD_REQUEST);
        tally.on_command("IAMAT");
        assert_eq!(tally.answers(RouteLabel::Story, Status::OK), 2);
        assert_eq!(tally.answers(RouteLabel::Hello, Status::OK), 0);
        let mut page = Exposition::new();
        tally.expose(&mut page);
        let page = page.finish();
        for line in [
            "bellwether_http_requests_total{route=\"/v1/stories/{title}\",status=\"200\"} 2",
            "bellwether_http_requests_total{route=\"/v1/stories/{title}\",status=\"404\"} 1",
            "bellwether_http_requests_total{route=\"malformed\",status=\"400\"} 1",
            "bellwether_http_streams_open 0",
            "bellwether_line_commands_total{verb=\"IAMAT\"} 1",
        ] {
            assert!(page.lines().any(|have| have == line), "{line}\n{page}");
        }
    }
}
