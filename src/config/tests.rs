//! Tests of this module.

use super::*;
use proptest::prelude::*;
use std::net::IpAddr;

const MINIMAL: &str = "name = \"Hill\"\ndir = \"d\"\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, "herd.toml")
}

/// The error of a minimal configuration (two lines) and `more` behind it.
fn error(more: &str) -> String {
    parse(&format!("{MINIMAL}{more}")).unwrap_err().to_string()
}

#[test]
fn every_key_is_read() {
    let text = r#"
name = "Hill"
dir = "data/hill"
durability = "none"
[[listen]]
protocol = "http"
endpoint = "tcp:8001:interface=0.0.0.0"
[[listen]]
protocol = "line"
endpoint = "tcp:9001"
close = "idle:150ms"
[[listen]]
protocol = "peer"
endpoint = "unix:/run/hill:mode=600"
[[listen]]
protocol = "at"
endpoint = "tcp:0"
[[peer]]
name = "Jaquez"
endpoint = "tcp:10.0.0.1:7002"
key = "0101010101010101010101010101010101010101010101010101010101010101"
[[peer]]
name = "Ball"
endpoint = "tcp:127.0.0.1:12000"
kind = "at"
per_update = true
[limits]
idle_ms = 5_000
peer_window_bytes = 0x20000
[places]
[retention]
[log]
format = "json"
level = "debug"
"#;
    let config = parse(text).unwrap();
    assert_eq!((&config.name[..], config.durability), ("Hill", Durability::None));
    assert_eq!(config.dir, Path::new("data/hill"));
    let log = LogConfig { format: LogFormat::Json, level: Some(log::LevelFilter::Debug) };
    assert_eq!(config.log, log);
    assert_eq!(parse(&config.to_toml()).unwrap().log, log);
    assert_eq!(config.peers[0].key, Some(PublicKey([1; 32])));
    assert_eq!(config.peers[1].key, None);
    let services: Vec<_> = config.listen.iter().map(|l| (l.service, l.close)).collect();
    assert_eq!(
        services,
        [
            (Service::Http, ClosePolicy::Never),
            (Service::Line, ClosePolicy::Idle(150)),
            (Service::Peer, ClosePolicy::Never),
            (Service::At, ClosePolicy::Never),
        ]
    );
    assert_eq!(config.listen[0].endpoint.to_string(), "tcp:8001:interface=0.0.0.0");
    assert_eq!(config.peers[0].kind, PeerKind::Herd);
    assert_eq!(config.peers[1].kind, PeerKind::At { per_update: true });
    let mut limits = Limits::default();
    (limits.idle_ms, limits.peer_window_bytes) = (5000, 0x20000);
    assert_eq!(config.limits, limits);
    assert_eq!(parse(&config.to_toml()), Ok(config));
}

#[test]
fn little_need_be_said() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config, Config::new("Hill", "d"));
    assert_eq!(config.durability, Durability::Local);
    assert_eq!(config.limits.line_bytes, 65_536);
}

#[test]
fn unknown_keys_name_their_line_and_the_nearest_known_key() {
    let table = [
        ("durabilty = 1", "herd.toml:3: durabilty: unknown key; did you mean \"durability\"?"),
        ("[limit]\n", "herd.toml:3: limit: unknown key; did you mean \"limits\"?"),
        (
            "[limits]\n\nidel_ms = 1",
            "herd.toml:5: limits.idel_ms: unknown key; did you mean \"idle_ms\"?",
        ),
        (
            "[[listen]]\nprotocol=\"http\"\nendpoint=\"tcp:1\"\n[[listen]]\nprotcol = \"http\"",
            "herd.toml:7: listen.protcol: unknown key; did you mean \"protocol\"?",
        ),
        ("peer = [{ nam = \"x\" }]", "herd.toml:3: peer.nam: unknown key; did you mean \"name\"?"),
        (
            "listen = []\nzzzzzzzz = 1\nyyyyyyyy = 2",
            "herd.toml:4: zzzzzzzz: unknown key; the nearest known one is \"name\"",
        ),
        (
            "\"a b\\n\" = 1",
            "herd.toml:3: \"a b\\n\": unknown key; the nearest known one is \"name\"",
        ),
        ("[log]\nformats = 3", "herd.toml:4: log.formats: unknown key; did you mean \"format\"?"),
        ("[places]\nuri = 3", "herd.toml:4: places.uri: unknown key; none is known here"),
        ("[accounts]\nopne = 1", "herd.toml:4: accounts.opne: unknown key; did you mean \"open\"?"),
    ];
    for (more, expected) in table {
        assert_eq!(error(more), expected);
    }
}

#[test]
fn what_only_later_versions_can_do_is_refused_and_says_so() {
    let table = [
        (
            "insecure_peers = true",
            "herd.toml:3: insecure_peers: is gone, since links are encrypted: remove it, and give \
             each peer beyond this machine its key (bellwether key prints it)",
        ),
        (
            "[places]\nurl = \"http://x\"",
            "herd.toml:4: places.url: place services are not supported by this version: remove it",
        ),
        (
            "[[listen]]\nprotocol = \"http\"\nendpoint = \"stdio:\"",
            "herd.toml:5: listen.endpoint: stdio endpoints are not supported by this version: use \
             tcp, tcp6, unix, tls",
        ),
    ];
    for (more, expected) in table {
        assert_eq!(error(more), expected);
    }
}

#[test]
fn certificates_belong_where_they_are_shown() {
    let listen = |protocol, more| format!("[[listen]]\nprotocol = {protocol:?}\n{more}");
    let keys = "links of the herd are secured by the nodes' keys: use a tcp endpoint";
    let table = [
        (listen("peer", "endpoint = \"tls:/d:port=1\""), format!("5: listen.endpoint: {keys}")),
        (
            listen("http", "endpoint = \"tls:/d:port=1\"\ncertificates = \"/d\""),
            "6: listen.certificates: are those of the tls endpoint itself".to_owned(),
        ),
        (
            listen("http", "endpoint = \"tcp:1\"\ncertificates = \"/d\""),
            "6: listen.certificates: belong to a tls endpoint: http knows no way to ask for them"
                .to_owned(),
        ),
        (
            "[[peer]]\nname = \"B\"\nendpoint = \"tls:localhost:1\"".to_owned(),
            format!("5: peer.endpoint: {keys}"),
        ),
    ];
    for (more, expected) in table {
        assert_eq!(error(&more), format!("herd.toml:{expected}"));
    }
    let config = Config::parse(
        "name = \"a\"\ndir = \"d\"\n[[listen]]\nprotocol = \"http\"\n\
         endpoint = \"tls:/c:port=1:clientCA=/ca\"",
        "herd.toml",
    );
    let config = config.unwrap();
    assert_eq!(Config::parse(&config.to_toml(), "again"), Ok(config));
    for protocol in ["nntp", "auto"] {
        let more = listen(protocol, "endpoint = \"tcp:1\"\ncertificates = \"/d\"");
        let config = parse(&format!("{MINIMAL}{more}")).unwrap();
        assert_eq!(config.listen[0].certificates.as_deref(), Some(Path::new("/d")));
        assert_eq!(Config::parse(&config.to_toml(), "again"), Ok(config));
    }
}

#[test]
fn accounts_are_open_on_this_machine_alone_unless_it_is_said() {
    let near = "[[listen]]\nprotocol = \"http\"\nendpoint = \"tcp:1\"\n";
    let far = "[[listen]]\nprotocol = \"line\"\nendpoint = \"tcp:2:interface=0.0.0.0\"\n";
    let (open, closed) = ("[accounts]\nopen = true\n", "[accounts]\nopen = false\n");
    for (text, is_open) in [
        (String::new(), true),
        (near.to_owned(), true),
        (format!("{near}{far}"), false),
        (format!("{near}{far}{open}"), true),
        (format!("{near}{closed}"), false),
        ("[accounts]".to_owned(), true),
    ] {
        let config = parse(&format!("{MINIMAL}{text}")).unwrap();
        assert_eq!(config.are_accounts_open(), is_open, "{text}");
        assert_eq!(Config::parse(&config.to_toml(), "x"), Ok(config));
    }
}

#[test]
fn wrong_values_are_named_with_what_is_expected() {
    let table = [
        (
            "[accounts]\nopen = 1",
            "herd.toml:4: accounts.open: must be true or false, not a whole number",
        ),
        (
            "durability = \"disk\"",
            "herd.toml:3: durability: \"disk\" is no durability: use \"none\", \"local\", a number \
             of nodes from 1 to 253, or \"majority\"",
        ),
        (
            "durability = 1.5",
            "herd.toml:3: durability: must be a string or a whole number, not a number with a \
             fraction",
        ),
        (
            "[listen]\n",
            "herd.toml:3: listen: must be a list of tables: write [[listen]], not a table",
        ),
        (
            "listen = [1]",
            "herd.toml:3: listen: must be a list of tables: write [[listen]], not a whole number",
        ),
        ("limits = 3", "herd.toml:3: limits: must be a table: write [limits], not a whole number"),
        ("[[listen]]\nendpoint = \"tcp:1\"", "herd.toml:3: listen.protocol: is missing"),
        ("\n[[listen]]\nprotocol = \"http\"", "herd.toml:4: listen.endpoint: is missing"),
        (
            "[[listen]]\nprotocol = \"htp\"\nendpoint = \"tcp:1\"",
            "herd.toml:4: listen.protocol: \"htp\" is no protocol; did you mean \"http\"?",
        ),
        (
            "[[listen]]\nprotocol = \"http\"\nendpoint = \"tcp:http\"",
            "herd.toml:5: listen.endpoint: \"http\" is not a valid port",
        ),
        (
            "[[listen]]\nprotocol = \"http\"\nendpoint = \"tcp:1\"\nclose = \"never\"",
            "herd.toml:6: listen.close: belongs to the line protocol, not to http",
        ),
        (
            "[[listen]]\nprotocol = \"line\"\nendpoint = \"tcp:1\"\nclose = \"idle:+5ms\"",
            "herd.toml:6: listen.close: \"idle:+5ms\" is no close policy: use \"never\", \
             \"answered\" or \"idle:150ms\"",
        ),
        (
            "[[peer]]\nname = \"B\"\nendpoint = \"tcp:127.0.0.1:1\"\nkind = \"hrd\"",
            "herd.toml:6: peer.kind: \"hrd\" is no kind of peer; did you mean \"herd\"?",
        ),
        (
            "[[peer]]\nname = \"B\"\nendpoint = \"tcp:127.0.0.1:1\"\nper_update = true",
            "herd.toml:6: peer.per_update: belongs to peers of kind \"at\"",
        ),
        (
            "[[peer]]\nname = \"B\"\nendpoint = \"tcp:127.0.0.1:1\"\nkind = \"at\"\noffer = \"*\"",
            "herd.toml:7: peer.offer: belongs to peers of kind \"nntp\"",
        ),
        (
            "[[peer]]\nname = \"B\"\nendpoint = \"unix:b\"\nkind = \"nntp\"\noffer = \"a,!\"",
            "herd.toml:7: peer.offer: \"a,!\" is no wildmat at byte 3: write group names with * \
             and ?, with commas between them",
        ),
        (
            "[[peer]]\nname = \"B\"\nendpoint = \"unix:b\"\nkind = \"nntp\"\naccept = \"[a]\"",
            "herd.toml:7: peer.accept: \"[a]\" is no wildmat at byte 0: write group names with \
             * and ?, with commas between them",
        ),
        (
            "[[peer]]\nname = \"B\"\nendpoint = \"unix:b\"\nkind = \"nntp\"\noffer = \"a, b\"",
            "herd.toml:7: peer.offer: \"a, b\" is no wildmat at byte 2: write group names with * \
             and ?, with commas between them",
        ),
        (
            "[[peer]]\nname = \"B C\"\nendpoint = \"tcp:127.0.0.1:1\"",
            "herd.toml:4: peer.name: \"B C\" has white space or control characters in it",
        ),
    ];
    for (more, expected) in table {
        assert_eq!(error(more), expected);
    }
}

#[test]
fn a_node_has_a_name_and_a_directory() {
    let table = [
        ("dir = \"d\"", "f:1: name: is missing"),
        ("name = \"a\"", "f:1: dir: is missing"),
        ("dir = \"d\"\nname = \"\"", "f:2: name: must have 1 to 64 bytes, not 0"),
        (
            "name = \"a\\tb\"\ndir = \"d\"",
            "f:1: name: \"a\\tb\" has white space or control characters in it",
        ),
        ("name = 3", "f:1: name: must be a string in quotes, not a whole number"),
        ("name = \"a\"\ndir = \"\"", "f:2: dir: is empty: name the directory of the node's store"),
    ];
    for (text, expected) in table {
        assert_eq!(Config::parse(text, "f").unwrap_err().to_string(), expected);
    }
    let long = format!("name = \"{}\"\ndir = \"d\"", "é".repeat(33));
    let expected = "f:1: name: must have 1 to 64 bytes, not 66";
    assert_eq!(Config::parse(&long, "f").unwrap_err().to_string(), expected);
}

#[test]
fn listeners_and_peers_must_not_get_in_each_others_way() {
    let listen = |a: &str, b: &str| {
        let one = |e: &str| format!("[[listen]]\nprotocol = \"http\"\nendpoint = '{e}'\n");
        parse(&format!("{MINIMAL}{}{}", one(a), one(b))).map_err(|error| error.to_string())
    };
    let taken = |endpoint: &str| {
        Err(format!("herd.toml:8: listen.endpoint: {endpoint} is taken by the http listener above"))
    };
    assert_eq!(listen("tcp:1", "tcp:1"), taken("tcp:1:interface=127.0.0.1"));
    assert_eq!(listen("tcp:1", "tcp:1:interface=0.0.0.0"), taken("tcp:1:interface=0.0.0.0"));
    assert_eq!(listen("unix:/a", "unix:/a:mode=600"), taken("unix:/a:mode=600"));
    assert!(listen("tcp:0", "tcp:0").is_ok());
    assert!(listen("tcp:1", "tcp6:1").is_ok());
    assert!(listen("unix:/a", "unix:/b").is_ok());

    let peer = |name: &str, port: u16| {
        format!("[[peer]]\nname = \"{name}\"\nendpoint = \"tcp:127.0.0.1:{port}\"\n")
    };
    assert_eq!(error(&peer("Hill", 1)), "herd.toml:4: peer.name: \"Hill\" is this node's own name");
    assert_eq!(
        error(&[peer("B", 1), peer("B", 2)].concat()),
        "herd.toml:7: peer.name: \"B\" is the name of a peer above"
    );
    assert_eq!(
        error(&[peer("B", 1), peer("C", 1)].concat()),
        "herd.toml:8: peer.endpoint: tcp:127.0.0.1:1 is where peer \"B\" is"
    );
}

#[test]
fn peers_beyond_this_machine_need_a_key() {
    let peer = "[[peer]]\nname = \"B\"\nendpoint = \"tcp:10.0.0.1:7001\"\n";
    assert_eq!(
        error(peer),
        "herd.toml:3: peer.key: is missing: tcp:10.0.0.1:7001 is beyond this machine, and anyone \
         might answer there (bellwether key prints a node's)"
    );
    let key = format!("key = \"{}\"\n", "ab".repeat(32));
    assert!(parse(&format!("{MINIMAL}{peer}{key}")).is_ok());
    assert!(parse(&format!("{MINIMAL}{peer}kind = \"at\"\n")).is_ok(), "it has none");
    assert_eq!(
        error(&format!("{peer}kind = \"at\"\n{key}")),
        "herd.toml:7: peer.key: belongs to peers of kind \"herd\""
    );
    assert_eq!(
        error(&format!("{peer}key = \"abc\"")),
        "herd.toml:6: peer.key: a key is 64 hexadecimal digits"
    );
    let expected = format!("[[peer]]\nname = \"B\"\n{key}");
    assert_eq!(parse(&format!("{MINIMAL}{expected}")).unwrap().peers[0].endpoint, None);
    assert_eq!(
        error("[[peer]]\nname = \"B\"\n"),
        "herd.toml:3: peer.endpoint: is missing: only a peer of the herd that is known by its key \
         may dial us"
    );
    let other = peer.replace("\"B\"", "\"C\"").replace("7001", "7002");
    assert_eq!(
        error(&format!("{peer}{key}{other}{key}")),
        "herd.toml:10: peer.key: is that of peer \"B\""
    );
}

#[test]
fn anyone_may_knock_for_a_link_but_not_say_at() {
    let listen = |service: &str, ip: &str| {
        let endpoint = format!("endpoint = \"tcp:7001:interface={ip}\"\n");
        format!("[[listen]]\nprotocol = \"{service}\"\n{endpoint}")
    };
    assert!(parse(&format!("{MINIMAL}{}", listen("peer", "0.0.0.0"))).is_ok());
    assert!(parse(&format!("{MINIMAL}{}", listen("at", "127.0.0.1"))).is_ok());
    assert_eq!(
        error(&listen("at", "0.0.0.0")),
        "herd.toml:5: listen.endpoint: tcp:7001:interface=0.0.0.0 is beyond this machine, and \
         whoever says AT moves anyone: use a loopback or unix endpoint, or a line listener and a \
         peer of kind \"at\""
    );
}

#[test]
fn limits_keep_their_bounds_and_their_relations() {
    let table = [
        ("idle_ms = 5", "4: limits.idle_ms: must be within 100 and 86400000 (default 60000)"),
        ("idle_ms = -1", "4: limits.idle_ms: must be within 100 and 86400000 (default 60000)"),
        (
            "peer_window_bytes = 4294967297",
            "4: limits.peer_window_bytes: must be within 65536 and 268435456 (default 1048576)",
        ),
        (
            "head_fields = 99999999999999999999999999999999999999999999",
            "4: limits.head_fields: must be within 8 and 1024 (default 64)",
        ),
        ("idle_ms = \"1s\"", "4: limits.idle_ms: must be a whole number, not a string"),
        (
            "head_bytes = 4096",
            "4: limits.head_bytes: head_bytes = 4096 is too small beside target_bytes: it must be \
             at least 4352",
        ),
        (
            "idle_ms = 100\ntarget_bytes = 65536",
            "5: limits.target_bytes: head_bytes = 16384 is too small beside target_bytes: it must \
             be at least 65792",
        ),
        (
            "update_bytes = 2048",
            "4: limits.update_bytes: update_bytes = 2048 is too small beside story_bytes: it must \
             be at least 1048576",
        ),
        (
            "segment_bytes = 1048576",
            "4: limits.segment_bytes: segment_bytes = 1048576 is too small beside update_bytes: it \
             must be at least 17825792",
        ),
        (
            "heartbeat_ms = 3000",
            "4: limits.heartbeat_ms: peer_silence_ms = 5000 is too small beside heartbeat_ms: it \
             must be at least 6000",
        ),
        (
            "redial_max_ms = 100",
            "4: limits.redial_max_ms: redial_max_ms = 100 is too small beside redial_min_ms: it \
             must be at least 200",
        ),
    ];
    for (more, expected) in table {
        assert_eq!(error(&format!("[limits]\n{more}")), format!("herd.toml:{expected}"));
    }
}

#[test]
fn the_table_of_limits_is_sound() {
    let units = [
        "bytes",
        "updates",
        "ms",
        "s",
        "fields",
        "connections",
        "address",
        "searches",
        "references",
        "handshakes",
        "subscriptions",
        "writes",
    ];
    for (limit, value) in Limits::default().values() {
        assert!((limit.min..=limit.max).contains(&limit.default), "{}", limit.name);
        assert_eq!(value, limit.default);
        assert!(limit.doc.ends_with('.') && !limit.doc.starts_with(' '), "{}", limit.name);
        let unit = limit.name.rsplit('_').next().unwrap();
        assert!(units.contains(&unit), "{} does not name its unit", limit.name);
        for value in [limit.min, limit.max] {
            let mut limits = Limits::default();
            assert!(limits.set(limit.name, value));
            let read = limits.values().find(|(other, _)| other.name == limit.name);
            assert_eq!(read.unwrap().1, value, "{} does not fit its type", limit.name);
        }
    }
    assert!(!Limits::default().set("nothing", 1));
    assert!(Limits::default().clash().is_none());
}

#[test]
fn what_is_not_toml_names_its_line() {
    let table = [
        ("name = \n", "f:1: not TOML: "),
        ("name = \"a\"\nname = \"b\"", "f:2: not TOML: duplicate key"),
        ("name = \"a\"\ndir = \"d", "f:2: not TOML: "),
        ("[limits", "f:1: not TOML: "),
        ("a = 1\n\n= 3", "f:3: not TOML: "),
    ];
    for (text, expected) in table {
        let message = Config::parse(text, "f").unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none.toml");
    let message = Config::load(&path).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}: can't be read: ", path.display())), "{message}");
    std::fs::write(&path, MINIMAL).unwrap();
    assert_eq!(Config::load(&path), Ok(Config::new("Hill", "d")));
}

#[test]
fn words_come_back_from_their_texts() {
    for word in ["none", "local", "3", "majority"] {
        assert_eq!(word.parse::<Durability>().unwrap().to_string(), word);
    }
    for bad in ["", "0", "+1", "-1", "Local", "4294967296"] {
        assert!(bad.parse::<Durability>().is_err(), "{bad}");
    }
    for word in ["never", "answered", "idle:150ms"] {
        assert_eq!(word.parse::<ClosePolicy>().unwrap().to_string(), word);
    }
    for bad in ["", "idle", "idle:", "idle:ms", "idle:0ms", "idle:1s", "idle:9999999999999999ms"] {
        assert!(bad.parse::<ClosePolicy>().is_err(), "{bad}");
    }
}

#[test]
fn what_is_told_apart_on_one_port_is_checked() {
    let auto = |endpoint: &str, more: &str| {
        format!("[[listen]]\nprotocol = \"auto\"\nendpoint = \"{endpoint}\"\n{more}")
    };
    let protocols =
        |text: &str| parse(&format!("{MINIMAL}{text}")).unwrap().listen[0].protocols.clone();
    assert_eq!(protocols(&auto("tcp:1", "")), [Service::Http, Service::Line]);
    let both = "protocols = [\"at\", \"line\"]\nclose = \"answered\"";
    assert_eq!(protocols(&auto("tcp:1", both)), [Service::At, Service::Line]);
    let at = "protocols = [\"at\"]";
    for (text, why) in [
        (auto("tcp:1", "protocols = [1]"), "holds a whole number: only strings"),
        (auto("tcp:1", "protocols = [\"htp\"]"), "did you mean \"http\"?"),
        (auto("tcp:1", "protocols = [\"auto\"]"), "\"auto\" is not told from its first bytes"),
        (auto("tcp:1", "protocols = [\"at\"]\nclose = \"never\""), "belongs to the line"),
        (auto("haproxy:tcp:1", at), "is beyond this machine"),
        (auto("systemd:domain=INET:index=0", at), "is beyond this machine"),
        (auto("tcp:1", at).replace("\"auto\"", "\"http\""), "belongs to protocol = \"auto\""),
        (auto("tcp:1", "") + &auto("haproxy:tcp:1", ""), "is taken by the auto listener above"),
    ] {
        let said = error(&text);
        assert!(said.contains(why), "{said}");
    }
    let behind = parse(&format!("{MINIMAL}{}", auto("haproxy:tcp:1", ""))).unwrap();
    assert!(!behind.are_accounts_open());
}

proptest! {
    #[test]
    fn a_configuration_comes_back_from_its_text(
        name in "[^\\s\\p{C}]{1,16}",
        dir in "[^\\p{C}]{1,20}",
        ports in prop::collection::btree_set(1..u16::MAX, 0..6),
        idle_ms in 100..86_400_000_u64,
    ) {
        let mut config = Config::new(name.clone(), dir);
        config.limits.idle_ms = idle_ms;
        for (index, port) in ports.into_iter().enumerate() {
            let service = Service::ALL[index % Service::ALL.len()];
            let mut listen = Listen::new(service, format!("tcp:{port}").parse().unwrap());
            if service == Service::Auto {
                listen.protocols = vec![Service::At, Service::Line];
            }
            if listen.speaks(Service::Line) {
                listen.close = ClosePolicy::Answered;
            }
            config.listen.push(listen);
            let endpoint = format!("tcp:127.0.0.1:{port}").parse().ok();
            let endpoint = endpoint.filter(|_| index != 4);
            let accept = "news.*,!news.x".to_owned();
            let from = vec![IpAddr::from([192, 0, 2, index as u8])];
            let from = if index < 3 { from } else { Vec::new() };
            let rules =
                FeedRules { accept, from, trusts_cancels: index > 3, ..FeedRules::default() };
            let kind = match index % 4 {
                1 => PeerKind::Nntp(rules),
                3 => PeerKind::At { per_update: index == 3 },
                _ => PeerKind::Herd,
            };
            let key = (kind == PeerKind::Herd).then_some(PublicKey([index as u8; 32]));
            config.peers.push(Peer { name: format!("{name}{index}"), endpoint, kind, key });
        }
        prop_assert_eq!(parse(&config.to_toml()), Ok(config));
    }

    #[test]
    fn no_text_breaks_the_reader(text in "[a-z\\[\\]=\"\\n .0-9é]{0,80}") {
        if let Err(error) = parse(&text) {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }
}
