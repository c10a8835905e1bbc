//! Who may do what: tokens of each scope, sessions, forms, guesses.

use super::*;
use crate::accounts::{self, Account, Act, Pass, PasswordHash, Scopes, Session, Token};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const JSON: &str = "Content-Type: application/json\r\n";

impl Bench {
    /// A node where nobody may write without an account.
    pub(super) fn closed() -> Self {
        let mut bench = Self::new();
        bench.node.state.config.accounts_open = Some(false);
        bench
    }

    pub(super) fn act(&mut self, act: &Act) -> Cid {
        self.with(|cx, desk| {
            let entry = Entry {
                kind: Kind::Account,
                topic: "accounts",
                media_type: "application/json",
                alias: "",
                parents: Vec::new(),
                payload: &act.encode(),
            };
            desk.publish(cx, entry, Durability::None).unwrap().cid
        })
    }

    pub(super) fn account(&mut self, name: &str, password: &str, scopes: Scopes) {
        let password = PasswordHash::of(password.as_bytes(), [1; 16]);
        self.act(&Act::Account { name: name.to_owned(), password, scopes });
    }

    /// A token of these scopes, as a field.
    pub(super) fn token(&mut self, name: &str, scopes: &str, secret: u8) -> String {
        let token = Token::of([secret; 32]);
        let (id, digest, scopes) = (token.id(), token.digest(), scopes.parse().unwrap());
        self.act(&Act::Token { id, name: name.to_owned(), scopes, digest });
        format!("Authorization: Bearer {}\r\n", token.text())
    }

    /// Revokes the token of this secret.
    pub(super) fn revoke(&mut self, secret: u8) {
        self.act(&Act::Revoke { id: Token::of([secret; 32]).id() });
    }

    fn send_form(&mut self, target: &str, fields: &str, body: &str) -> Reply {
        self.post(target, &format!("{FORM}{fields}"), body)
    }

    fn post(&mut self, target: &str, fields: &str, body: &str) -> Reply {
        self.ask(with_body("POST", target, fields, body))
    }

    /// The page to sign in: its cookie, and what its form carries.
    fn sign_in_page(&mut self) -> (String, String) {
        let page = self.get("/sign-in").is(200);
        let cookie = cookie_of(&page);
        (cookie, csrf_of(&page.body))
    }

    /// Signs in; the answer.
    pub(super) fn sign_in(&mut self, name: &str, password: &str) -> Reply {
        let (cookie, csrf) = self.sign_in_page();
        let body = format!("name={name}&password={password}&csrf={csrf}&to=/stories/a");
        let no = self.connect();
        let request = with_body("POST", "/sign-in", &format!("{FORM}Cookie: {cookie}\r\n"), &body);
        self.send(no, request);
        // The pool of a simulated loop takes its own time.
        for _ in 0..100 {
            self.run(100);
            if !self.node.state.clients[no].bytes.is_empty() {
                break;
            }
        }
        let text = self.take(no);
        self.drop_client(no);
        Reply::of(&text)
    }
}

fn with_body(method: &str, target: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    )
}

pub(super) fn cookie_of(reply: &Reply) -> String {
    let set = reply.field("set-cookie").unwrap_or_else(|| panic!("{reply:?}"));
    assert!(set.contains("; HttpOnly") && set.contains("; SameSite=Lax"), "{set}");
    assert!(set.contains("; Path=/"), "{set}");
    set.split(';').next().unwrap().to_owned()
}

fn csrf_of(page: &str) -> String {
    let value = page.split("name=\"csrf\" value=\"").nth(1).unwrap_or_else(|| panic!("{page}"));
    value.split('"').next().unwrap().to_owned()
}

/// What a request with these fields may do, as the statuses of a PUT, a POST to a topic, a DELETE,
/// and a list of accounts.
fn may(bench: &mut Bench, fields: &str) -> [u16; 4] {
    let title = format!("t{}", bench.node.state.clients.len());
    bench.with(|cx, desk| {
        let payload = Revision { generation: 1, title: &title, ..Revision::default() }.encode();
        let entry = Entry {
            kind: Kind::Revision,
            topic: "stories",
            media_type: "text/plain",
            alias: "",
            parents: Vec::new(),
            payload: &payload.unwrap(),
        };
        desk.publish(cx, entry, Durability::None).unwrap();
    });
    let text = format!("{fields}Content-Type: text/plain\r\n");
    let put = format!("/v1/stories/{title}?conflict=overwrite");
    [
        bench.put(&put, &text, "x").status,
        bench.post("/v1/topics/t", &text, "x").status,
        bench.ask(with_body("DELETE", &format!("/v1/stories/{title}"), fields, "")).status,
        bench.ask(format!("GET /v1/accounts HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).status,
    ]
}

#[test]
fn a_token_may_do_what_its_scopes_say_and_nothing_else() {
    let mut bench = Bench::closed();
    for (secret, scopes, statuses) in [
        (1, "read", [403, 403, 403, 403]),
        (2, "write", [200, 201, 403, 403]),
        (3, "withdraw", [403, 403, 200, 403]),
        (4, "admin", [403, 403, 403, 200]),
        (5, "read,write,withdraw,admin", [200, 201, 200, 200]),
    ] {
        let token = bench.token("ann", scopes, secret);
        assert_eq!(may(&mut bench, &token), statuses, "{scopes}");
    }
    assert_eq!(may(&mut bench, ""), [401; 4]);
    assert_eq!(may(&mut bench, "Authorization: Bearer bw_nonsense\r\n"), [401; 4]);
    assert_eq!(may(&mut bench, "Authorization: Basic YTpi\r\n"), [401; 4]);
    // Readers need nothing.
    bench.get("/v1/stories").is(200);
    bench.get("/").is(200);
}

#[test]
fn a_refusal_says_what_is_missing() {
    let mut bench = Bench::closed();
    let reply = bench.put_text("/v1/stories/a", "x").is(401);
    assert_eq!(reply.json()["scope"], "write");
    assert!(reply.field("www-authenticate").unwrap().starts_with("Bearer"), "{reply:?}");
    let token = bench.token("ann", "read", 1);
    let reply = bench.put("/v1/stories/a", &token, "x").is(403);
    assert_eq!(reply.json()["scope"], "write");
    let reply = bench.put("/v1/stories/a", "Authorization: Bearer bw_\r\n", "x").is(401);
    assert!(reply.field("www-authenticate").unwrap().contains("invalid_token"), "{reply:?}");
}

#[test]
fn a_revoked_token_is_refused_and_so_are_those_of_a_removed_name() {
    let mut bench = Bench::closed();
    let token = bench.token("ann", "write", 1);
    bench.put("/v1/stories/a", &token, "x").is(201);
    bench.act(&Act::Revoke { id: Token::of([1; 32]).id() });
    bench.put("/v1/stories/b", &token, "x").is(401);
    let token = bench.token("ann", "write", 2);
    bench.put("/v1/stories/b", &token, "x").is(201);
    bench.act(&Act::Remove { name: "ann".to_owned() });
    bench.put("/v1/stories/c", &token, "x").is(401);
}

#[test]
fn where_accounts_are_open_everyone_writes_and_near_ones_do_everything() {
    let mut bench = Bench::new();
    assert_eq!(may(&mut bench, "Host: 127.0.0.1\r\n")[0], 400, "two hosts");
    assert_eq!(may(&mut bench, ""), [200, 201, 200, 401], "by a name that anyone may have");
    let near = "GET /v1/accounts HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n";
    assert_eq!(bench.ask(near).status, 200);
    for proxied in ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "Via: 1.1 a"] {
        let far = format!("GET /v1/accounts HTTP/1.1\r\nHost: 127.0.0.1:80\r\n{proxied}\r\n\r\n");
        assert_eq!(bench.ask(far).status, 401, "{proxied}");
    }
    // A page under a name of its owner's that leads here writes nothing.
    assert_eq!(may(&mut bench, "Origin: http://a\r\n")[1..3], [401, 401]);
    // A token that is no good is refused here, too: its sender believes to be someone.
    assert_eq!(may(&mut bench, "Authorization: Bearer bw_x\r\n"), [401; 4]);
}

#[test]
fn pages_of_other_sites_change_nothing() {
    let mut bench = Bench::new();
    // Its operator serves pages under names of their own.
    bench.node.state.config.accounts_open = Some(true);
    for foreign in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: a\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\nOrigin: http://a\r\n",
    ] {
        assert_eq!(may(&mut bench, foreign)[..3], [403; 3], "{foreign}");
    }
    for own in
        ["Origin: http://a\r\n", "Sec-Fetch-Site: same-origin\r\n", "Sec-Fetch-Site: none\r\n"]
    {
        assert_eq!(may(&mut bench, own)[..3], [200, 201, 200], "{own}");
    }
}

#[test]
fn someone_signs_in_writes_under_their_name_and_signs_out() {
    let mut bench = Bench::closed();
    bench.account("ann", "correct horse", Scopes::OPEN);
    let reply = bench.sign_in("ann", "correct+horse").is(303);
    assert_eq!(reply.field("location"), Some("/stories/a"));
    let session = format!("Cookie: x=1; {}\r\n", cookie_of(&reply));
    bench.put("/v1/stories/a", &session, "x").is(201);
    assert_eq!(bench.get("/v1/stories/a").json()["author"], "ann");
    assert_eq!(may(&mut bench, &session), [200, 201, 200, 403]);

    let page = bench.ask(format!("GET /sign-in HTTP/1.1\r\nHost: a\r\n{session}\r\n")).is(200);
    assert!(page.body.contains("signed in as <strong>ann</strong>"), "{}", page.body);
    assert_eq!(page.field("set-cookie"), None);
    assert_eq!(page.field("vary"), Some("Cookie"));
    assert_eq!(bench.send_form("/sign-out", &session, "csrf=wrong").status, 403);
    let form = format!("csrf={}", csrf_of(&page.body));
    let reply = bench.send_form("/sign-out", &session, &form).is(303);
    assert!(reply.field("set-cookie").unwrap().contains("bw_session=; "), "{reply:?}");
}

#[test]
fn a_session_ends_with_the_password_the_account_or_its_time() {
    let mut bench = Bench::closed();
    bench.account("ann", "correct horse", Scopes::WRITER);
    let reply = bench.sign_in("ann", "correct+horse").is(303);
    let session = format!("Cookie: {}\r\n", cookie_of(&reply));
    bench.put("/v1/stories/a", &session, "x").is(201);
    bench.account("ann", "battery staple", Scopes::WRITER);
    bench.put("/v1/stories/b", &session, "x").is(401);
    assert_eq!(bench.sign_in("ann", "correct+horse").status, 403);
    let reply = bench.sign_in("ann", "battery+staple").is(303);
    let session = format!("Cookie: {}\r\n", cookie_of(&reply));
    bench.put("/v1/stories/b", &session, "x").is(201);
    bench.run(13 * 3_600_000);
    bench.put("/v1/stories/c", &session, "x").is(401);
    let reply = bench.sign_in("ann", "battery+staple").is(303);
    let session = format!("Cookie: {}\r\n", cookie_of(&reply));
    bench.put("/v1/stories/c", &session, "x").is(201);
    bench.act(&Act::Remove { name: "ann".to_owned() });
    bench.put("/v1/stories/d", &session, "x").is(401);
}

#[test]
fn a_session_that_another_node_of_the_herd_signed_is_good_and_a_strangers_is_not() {
    let mut bench = Bench::closed();
    let password = PasswordHash::stand_in();
    let act = Act::Account { name: "ann".to_owned(), password, scopes: Scopes::WRITER };
    let act = bench.act(&act);
    let other = SigningKey::from_seed([9; 32]);
    let session = Session { name: "ann".to_owned(), expires_ms: u64::MAX, act };
    let text = session.signed(other.public(), |message| other.sign(message));
    let field = format!("Cookie: bw_session={text}\r\n");
    bench.put("/v1/stories/a", &field, "x").is(401);
    bench.node.state.friend = Some(other.public());
    bench.put("/v1/stories/a", &field, "x").is(201);
    // Remembered as verified, it is believed for as long as its signer is.
    bench.node.state.friend = None;
    bench.put("/v1/stories/b", &field, "x").is(401);
    let forged = session.signed(key().public(), |message| other.sign(message));
    let field = format!("Cookie: bw_session={forged}\r\n");
    bench.put("/v1/stories/b", &field, "x").is(401);
}

#[test]
fn guesses_are_slowed_by_name() {
    let mut bench = Bench::closed();
    bench.account("ann", "correct horse", Scopes::WRITER);
    let statuses: Vec<u16> = (0..7).map(|_| bench.sign_in("ann", "wrong").status).collect();
    assert_eq!(statuses, [403, 403, 403, 403, 403, 429, 429]);
    let reply = bench.sign_in("ann", "correct+horse");
    assert_eq!((reply.status, reply.field("retry-after")), (429, Some("2")), "{reply:?}");
    assert_eq!(bench.sign_in("nobody", "wrong").status, 403, "another name");
    bench.run(2_000);
    assert_eq!(bench.sign_in("ann", "wrong").status, 403);
    let reply = bench.sign_in("ann", "wrong");
    assert_eq!((reply.status, reply.field("retry-after")), (429, Some("4")), "{reply:?}");
    bench.run(4_000);
    assert_eq!(bench.sign_in("ann", "correct+horse").status, 303);
    assert_eq!(bench.sign_in("ann", "wrong").status, 403, "all is forgotten");
}

#[test]
fn a_form_needs_the_token_of_its_page() {
    let mut bench = Bench::closed();
    bench.account("ann", "correct horse", Scopes::WRITER);
    let (cookie, csrf) = bench.sign_in_page();
    let (_, of_another) = bench.sign_in_page();
    let cookie = format!("Cookie: {cookie}\r\n");
    let sent = |csrf: &str| format!("name=ann&password=correct+horse&csrf={csrf}");
    assert_eq!(bench.send_form("/sign-in", &cookie, &sent(&of_another)).status, 403);
    assert_eq!(bench.send_form("/sign-in", &cookie, &sent("")).status, 403);
    assert_eq!(bench.send_form("/sign-in", "", &sent(&csrf)).status, 403);
    let foreign = format!("{cookie}Origin: http://evil.example\r\n");
    assert_eq!(bench.send_form("/sign-in", &foreign, &sent(&csrf)).status, 403);
    assert_eq!(bench.post("/sign-in", &format!("{JSON}{cookie}"), &sent(&csrf)).status, 415);
    let far = format!("name=ann&password=wrong+one&csrf={csrf}&to=//evil.example");
    let no = bench.connect();
    bench.send(no, with_body("POST", "/sign-in", &format!("{FORM}{cookie}"), &far));
    bench.run(5_000);
    let reply = Reply::of(&bench.take(no));
    assert_eq!(reply.status, 403);
    assert!(reply.body.contains("value=\"/\"") && !reply.body.contains("evil"), "{}", reply.body);
}

#[test]
fn what_is_typed_into_the_form_is_shown_as_text() {
    let mut bench = Bench::closed();
    let name = "%22%3E%3Cscript%3E";
    let reply = bench.sign_in(name, "wrong");
    assert!(!reply.body.contains("<script>"), "{}", reply.body);
    let reply = bench.get("/sign-in?to=/%22%3E%3Cscript%3E").is(200);
    assert!(!reply.body.contains("<script>"), "{}", reply.body);
    assert_eq!(reply.field("content-encoding"), None);
}

#[test]
fn nobody_writes_as_someone_else_who_has_an_account() {
    let mut bench = Bench::closed();
    bench.account("bob", "correct horse", Scopes::WRITER);
    let ann = bench.token("ann", "write", 1);
    let admin = bench.token("chief", "write,admin", 2);
    bench.put("/v1/stories/a?author=bob", &ann, "x").is(403);
    bench.put("/v1/stories/a?author=Reuters", &ann, "x").is(201);
    assert_eq!(bench.get("/v1/stories/a").json()["author"], "Reuters");
    bench.put("/v1/stories/b?author=bob", &admin, "x").is(201);
    bench.put("/v1/stories/c?author=chief", &admin, "x").is(201);
    let json = r#"{"body": "x", "author": "bob"}"#;
    bench.put("/v1/stories/d", &format!("{ann}{JSON}"), json).is(403);
}

#[test]
fn acts_on_accounts_are_posted_by_admins_and_by_who_has_the_nodes_key() {
    let mut bench = Bench::closed();
    let act = Act::Remove { name: "ann".to_owned() }.encode();
    let act = String::from_utf8(act).unwrap();
    bench.post("/v1/accounts", JSON, &act).is(401);
    let writer = bench.token("bob", "read,write,withdraw", 1);
    bench.post("/v1/accounts", &format!("{writer}{JSON}"), &act).is(403);
    let admin = bench.token("chief", "admin", 2);
    bench.post("/v1/accounts", &format!("{admin}{JSON}"), &act).is(201);
    bench.post("/v1/accounts", &admin, &act).is(415);
    bench.post("/v1/accounts", &format!("{admin}{JSON}"), "{}").is(400);
    let now_ms = bench.with(|cx, _| cx.wall_ns() / 1_000_000);
    let pass = |seed: u8, expires_ms: u64| {
        let key = SigningKey::from_seed([seed; 32]);
        let text = Pass { expires_ms }.signed(key.public(), |message| key.sign(message));
        format!("Authorization: Bearer {text}\r\n{JSON}")
    };
    let good_ms = now_ms + Pass::GOOD_MS;
    bench.post("/v1/accounts", &pass(1, good_ms), &act).is(201);
    bench.node.state.friend = Some(SigningKey::from_seed([9; 32]).public());
    for bad in [pass(9, good_ms), pass(1, now_ms - 1_000), pass(1, now_ms + 10 * Pass::GOOD_MS)] {
        bench.post("/v1/accounts", &bad, &act).is(401);
    }
    bench.post("/v1/topics/accounts", &admin.replace("admin", ""), "x").is(403);
    let writer = bench.token("bob", "write", 3);
    bench.post("/v1/topics/accounts", &writer, "x").is(422);
}

#[test]
fn lists_of_accounts_and_tokens_have_no_hash() {
    let mut bench = Bench::closed();
    bench.account("ann", "correct horse", Scopes::WRITER);
    let admin = bench.token("chief", "admin", 2);
    let list = |bench: &mut Bench, target: &str| {
        bench.ask(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{admin}\r\n")).is(200)
    };
    let accounts = list(&mut bench, "/v1/accounts");
    let ann = serde_json::json!({"name": "ann", "scopes": "read,write"});
    assert_eq!(accounts.json(), serde_json::json!({"accounts": [ann], "next": null}));
    let tokens = list(&mut bench, "/v1/tokens").json();
    let id = Token::of([2; 32]).id().to_string();
    assert_eq!(
        (&tokens["tokens"][0]["id"], tokens["tokens"].as_array().unwrap().len()),
        (&Value::from(id.clone()), 1)
    );
    assert_eq!(
        list(&mut bench, &format!("/v1/tokens?id={id}")).json()["tokens"][0]["name"],
        "chief"
    );
    assert_eq!(list(&mut bench, "/v1/tokens?name=ann").json()["tokens"], serde_json::json!([]));
    assert_eq!(list(&mut bench, "/v1/accounts?name=bob").json()["accounts"], serde_json::json!([]));
}

#[test]
fn readers_see_nothing_of_acts_on_accounts_and_their_cursors_count_them() {
    let mut bench = Bench::closed();
    let token = bench.token("ann", "write", 1);
    bench.account("bob", "correct horse", Scopes::WRITER);
    bench.put("/v1/stories/a", &token, "x").is(201);
    bench.account("cleo", "correct horse", Scopes::WRITER);
    let all = bench.get("/v1/updates?after=0&limit=1000").is(200);
    let updates = all.json()["updates"].as_array().unwrap().clone();
    assert_eq!(updates.len(), 1, "{updates:?}");
    assert_eq!(all.json()["gap"], Value::Null);
    for secret in ["argon2", "accounts", "account", "bob", "cleo"] {
        assert!(!all.body.contains(secret), "{secret}: {}", all.body);
    }
    let cursor = all.json()["cursor"].as_str().unwrap().to_owned();
    let rest = bench.get(&format!("/v1/updates?after={cursor}")).json();
    assert_eq!((&rest["updates"], &rest["cursor"]), (&serde_json::json!([]), &Value::from(cursor)));
    for target in ["/v1/updates?after=0&topic=accounts", "/v1/updates?after=0&newest=1"] {
        let reply = bench.get(target);
        assert!(!reply.body.contains("argon2") && !reply.body.contains("\"account\""), "{target}");
        assert_eq!(reply.json()["gap"], Value::Null, "{target}");
    }
    let no = bench.connect();
    bench.send(no, "GET /v1/stream?after=0 HTTP/1.1\r\nHost: a\r\n\r\n");
    bench.run(100);
    bench.account("dan", "correct horse", Scopes::WRITER);
    bench.run(100);
    let stream = bench.take(no);
    assert!(stream.contains("event: update") && !stream.contains("argon2"), "{stream}");
    assert_eq!(stream.matches("event: ").count(), 1, "{stream}");
}

#[test]
fn who_is_sent_to_sign_in_comes_back() {
    let mut bench = Bench::closed();
    let html = "Accept: text/html\r\n";
    let ask = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n{html}\r\n");
    // An address for programs stays one.
    assert_eq!(bench.ask(ask("/v1/accounts")).status, 401);
    assert_eq!(bench.ask(ask("/sign-in?to=/panel%3Fx=1")).status, 200);
}

#[test]
fn who_goes_away_while_a_password_is_checked_leaves_nothing_behind() {
    let mut bench = Bench::closed();
    bench.account("ann", "correct horse", Scopes::WRITER);
    let (cookie, csrf) = bench.sign_in_page();
    let body = format!("name=ann&password=correct+horse&csrf={csrf}");
    let no = bench.connect();
    bench.send(no, with_body("POST", "/sign-in", &format!("{FORM}Cookie: {cookie}\r\n"), &body));
    bench.drop_client(no);
    bench.run(5_000);
    assert_eq!(bench.sign_in("ann", "correct+horse").status, 303);
    let account: Option<Account> =
        accounts::account(bench.node.state.store.index(), "ann").unwrap();
    assert!(account.is_some());
}

#[test]
fn pages_say_who_is_signed_in_and_are_neither_kept_nor_compressed_then() {
    let mut bench = Bench::closed();
    bench.account("ann", "correct horse", Scopes::WRITER);
    let token = bench.token("ann", "write", 1);
    bench.put("/v1/stories/a", &token, &"x ".repeat(2_000)).is(201);
    let session = cookie_of(&bench.sign_in("ann", "correct+horse").is(303));
    for path in ["/", "/stories/a", "/stories/a/history", "/sections", "/sections/s", "/changes"] {
        let fields = "Host: a\r\nAccept-Encoding: gzip\r\n";
        let page = bench.ask(format!("GET {path} HTTP/1.1\r\n{fields}Cookie: {session}\r\n\r\n"));
        let page = page.is(200);
        assert_eq!((page.field("content-encoding"), page.field("etag")), (None, None), "{path}");
        assert!(page.body.contains("<bdi>ann</bdi> <button>Sign out</button>"), "{}", page.body);
        assert!(csrf_of(&page.body).len() > 16 && !page.body.contains("/sign-in"));
        let public = bench.get(path).is(200).body;
        assert!(public.contains("/sign-in?to=") && !public.contains("Sign out"), "{public}");
    }
}
