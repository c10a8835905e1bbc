//! The JSON of `/v1/ws` (contract.md): what a message asks for, and what is said back.

use crate::config::Durability;
use crate::herd::Gap;
use crate::news::{Conflict, Filter};
use crate::serve::http::{Draft, Member, Members, Problem, Written, conflict_policy, gap_json};
use crate::update::{After, Cid};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::str::FromStr;

/// A name may have so many bytes as JSON.
const TAG_BYTES_MAX: usize = 128;
/// Numbers beyond are not whole in everybody's JSON.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// What a client calls a subscription or a request: a text or a whole number, kept as its JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag(Box<str>);

impl Tag {
    fn of(member: &Member) -> Option<Self> {
        let json = match member {
            Member::Text(text) => serde_json::Value::from(&**text).to_string(),
            Member::Number(number) if number.fract() == 0.0 && number.abs() < WHOLE_MAX => {
                (*number as i64).to_string()
            }
            _ => return None,
        };
        (json.len() <= TAG_BYTES_MAX).then(|| Self(json.into()))
    }

    /// Its JSON.
    pub(super) fn json(&self) -> &str {
        &self.0
    }
}

/// Whom an answer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// A request that gave itself a name.
    Ref(Tag),
    /// A subscription.
    Sub(Tag),
    /// A message that named nothing.
    Nobody,
}

impl fmt::Display for To {
    /// As a member behind others; nothing for nobody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ref(tag) => write!(f, ",\"ref\":{}", tag.json()),
            Self::Sub(tag) => write!(f, ",\"sub\":{}", tag.json()),
            Self::Nobody => Ok(()),
        }
    }
}

/// What a message asks for.
#[derive(Debug)]
pub(super) enum Ask {
    Subscribe { sub: Tag, filter: Filter, after: Option<After> },
    Unsubscribe { sub: Tag },
    Publish(Publish),
}

/// A write.
#[derive(Debug)]
pub(super) struct Publish {
    pub(super) durability: Option<Durability>,
    pub(super) what: What,
}

impl Publish {
    /// Bytes of its body.
    pub(super) fn bytes(&self) -> usize {
        match &self.what {
            What::Edit { draft, .. } => draft.body_bytes(),
            What::Post { payload, .. } => payload.len(),
            What::Withdraw { .. } => 0,
        }
    }
}

/// What is written.
#[derive(Debug)]
pub(super) enum What {
    Edit { title: String, draft: Box<Draft>, base: Option<Cid>, conflict: Option<Conflict> },
    Post { topic: String, media_type: String, payload: Vec<u8> },
    Withdraw { title: String, reason: String },
}

/// A message that was read: whom the answer is for, and what is asked, or what is wrong.
#[derive(Debug)]
pub(super) struct Asked {
    /// The `ref`, if it gave one.
    pub(super) to: To,
    pub(super) ask: Result<Ask, Problem>,
}

impl Asked {
    /// Reads a message. What is wrong is told to whom it names.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let members = match Members::read(bytes) {
            Ok(members) => members,
            Err(problem) => return Self { to: To::Nobody, ask: Err(problem) },
        };
        let mut fields = Fields(members);
        let (sub, reference) = (fields.tag("sub"), fields.tag("ref"));
        let to = match (&reference, &sub) {
            (Ok(Some(tag)), _) => To::Ref(tag.clone()),
            (_, Ok(Some(tag))) => To::Sub(tag.clone()),
            _ => To::Nobody,
        };
        let ask = reference.and_then(|_| fields.ask(sub?));
        Self { to, ask }
    }
}

fn wrong(field: &str, fault: &str) -> Problem {
    Problem::fields([(field.to_owned(), fault.to_owned())])
}

/// The members of a message, less those that were taken.
struct Fields(Members);

impl Fields {
    fn take(&mut self, name: &str) -> Option<Member> {
        self.0.take(name).filter(|member| *member != Member::Null)
    }

    fn tag(&mut self, name: &str) -> Result<Option<Tag>, Problem> {
        let Some(member) = self.take(name) else { return Ok(None) };
        let fault = format!("is a text or a whole number, of at most {TAG_BYTES_MAX} bytes");
        Tag::of(&member).map(Some).ok_or_else(|| wrong(name, &fault))
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let text = self.take(name).map(Member::text).transpose();
        text.map_err(|fault| wrong(name, fault))
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let value = self.text(name)?.map(|text| text.parse()).transpose();
        value.map_err(|error: T::Err| Problem::malformed(format!("{name}: {error}")))
    }

    fn ask(mut self, sub: Option<Tag>) -> Result<Ask, Problem> {
        let op = self.text("op")?.unwrap_or_default();
        if op != "subscribe" && op != "unsubscribe" && sub.is_some() {
            return Err(wrong("sub", "is for subscribe and unsubscribe"));
        }
        let sub = || sub.ok_or_else(|| wrong("sub", "is missing"));
        match &*op {
            "subscribe" => self.subscribe(sub()?),
            "unsubscribe" => {
                let ask = Ask::Unsubscribe { sub: sub()? };
                self.end(ask)
            }
            "publish" => self.publish().map(Ask::Publish),
            "withdraw" => self.withdraw().map(Ask::Publish),
            _ => Err(wrong("op", "is subscribe, unsubscribe, publish or withdraw")),
        }
    }

    fn subscribe(mut self, sub: Tag) -> Result<Ask, Problem> {
        let filter = Filter {
            section: self.text("section")?,
            topic: self.text("topic")?,
            title: self.text("title")?,
        };
        let after = self.parsed("after")?;
        self.end(Ask::Subscribe { sub, filter, after })
    }

    fn durability(&mut self) -> Result<Option<Durability>, Problem> {
        let text = match self.take("durability") {
            None => return Ok(None),
            Some(Member::Number(nodes)) => nodes.to_string(),
            Some(other) => other.text().map_err(|fault| wrong("durability", fault))?,
        };
        text.parse().map(Some).map_err(|error| Problem::malformed(format!("durability: {error}")))
    }

    fn publish(mut self) -> Result<Publish, Problem> {
        let durability = self.durability()?;
        let what = match (self.text("topic")?, self.text("title")?) {
            (None, Some(title)) => {
                let base = self.parsed("base")?;
                let conflict = conflict_policy(self.text("conflict")?.as_deref())?;
                let draft = Box::new(Draft::of_members(self.0)?);
                What::Edit { title, draft, base, conflict }
            }
            // A story as it was read has both.
            (Some(topic), None) => self.post(topic)?,
            (Some(_), Some(_)) => return Err(wrong("topic", "or title, not both")),
            (None, None) => return Err(wrong("topic", "or title is missing")),
        };
        Ok(Publish { durability, what })
    }

    fn post(mut self, topic: String) -> Result<What, Problem> {
        let media_type = self.text("media_type")?;
        let (body, encoded) = (self.text("body")?, self.text("body_base64")?);
        let (payload, guess) = match (body, encoded) {
            (Some(body), None) => (body.into_bytes(), "text/plain"),
            (None, Some(encoded)) => {
                let fault = "is not base64 (RFC 4648, padded)";
                let bytes = STANDARD.decode(encoded).map_err(|_| wrong("body_base64", fault))?;
                (bytes, "application/octet-stream")
            }
            (None, None) => return Err(wrong("body", "or body_base64 is missing")),
            (Some(_), Some(_)) => return Err(wrong("body", "or body_base64, and once")),
        };
        let media_type = media_type.unwrap_or_else(|| guess.to_owned());
        self.end(What::Post { topic, media_type, payload })
    }

    fn withdraw(mut self) -> Result<Publish, Problem> {
        let durability = self.durability()?;
        let title = self.text("title")?.ok_or_else(|| wrong("title", "is missing"))?;
        let reason = self.text("reason")?.unwrap_or_default();
        self.end(Publish { durability, what: What::Withdraw { title, reason } })
    }

    /// All that was wanted was taken: what is left means nothing here.
    fn end<T>(self, asked: T) -> Result<T, Problem> {
        let unknown = |name: &str| (name.to_owned(), "no field of this name is known".to_owned());
        let left: Vec<_> = self.0.names().map(unknown).collect();
        if left.is_empty() { Ok(asked) } else { Err(Problem::fields(left)) }
    }
}

/// What stands before an update's JSON; a brace stands behind it.
pub(super) fn update_head(sub: &Tag, cursor: &str) -> String {
    // A cursor is base64url or 0: nothing in it needs an escape.
    format!("{{\"event\":\"update\",\"sub\":{},\"cursor\":\"{cursor}\",\"update\":", sub.json())
}

/// Updates that a subscription misses.
pub(super) fn gap(sub: &Tag, gap: &Gap) -> String {
    let rest = gap_json(gap).to_string();
    format!("{{\"event\":\"gap\",\"sub\":{},{}", sub.json(), &rest[1..])
}

/// A request is done, and a write is as safe as was asked, or its time was up.
pub(super) fn ack(to: &To, written: &Written<'_>) -> String {
    let rest = serde_json::to_string(written).unwrap_or_else(|_| "{}".to_owned());
    format!("{{\"event\":\"ack\"{to},{}", &rest[1..])
}

/// A request that writes nothing is done; where the subscription stands, if it has one.
pub(super) fn done(to: &To, cursor: Option<String>) -> String {
    let cursor = cursor.map(|cursor| format!(",\"cursor\":\"{cursor}\"")).unwrap_or_default();
    format!("{{\"event\":\"ack\"{to}{cursor}}}")
}

/// Something went wrong with what was asked.
pub(super) fn error(to: &To, problem: &Problem) -> String {
    format!("{{\"event\":\"error\"{to},\"problem\":{}}}", problem.json())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn read(json: &str) -> Asked {
        Asked::read(json.as_bytes())
    }

    fn ask(json: &str) -> Ask {
        read(json).ask.unwrap_or_else(|problem| panic!("{json}: {}", problem.json()))
    }

    #[test]
    fn each_request_of_the_contract_is_read() {
        let subscribe = r#"{"op": "subscribe", "sub": "a", "topic": "t", "section": "S",
                            "title": null, "after": "0"}"#;
        let Ask::Subscribe { sub, filter, after } = ask(subscribe) else { panic!() };
        assert_eq!((sub.json(), after), ("\"a\"", Some(After::default())));
        assert_eq!((filter.topic.as_deref(), filter.section.as_deref()), (Some("t"), Some("S")));
        let Ask::Unsubscribe { sub } = ask(r#"{"op": "unsubscribe", "sub": 7}"#) else { panic!() };
        assert_eq!(sub.json(), "7");
        let post = r#"{"op": "publish", "ref": "é\"", "topic": "t", "body": "B",
                       "durability": 2}"#;
        let asked = read(post);
        assert_eq!(asked.to.to_string(), ",\"ref\":\"é\\\"\"");
        let Ok(Ask::Publish(Publish {
            durability,
            what: What::Post { topic, media_type, payload },
        })) = asked.ask
        else {
            panic!()
        };
        assert_eq!(durability, Some(Durability::Nodes(2)));
        assert_eq!((&*topic, &*media_type, &payload[..]), ("t", "text/plain", &b"B"[..]));
        let edit = r#"{"op": "publish", "ref": 1, "title": "T", "headline": "H", "body": "B",
                       "conflict": "merge", "durability": "none"}"#;
        let Ask::Publish(Publish { what: What::Edit { title, draft, base, conflict }, .. }) =
            ask(edit)
        else {
            panic!()
        };
        assert_eq!((&*title, base, conflict), ("T", None, Some(Conflict::Merge)));
        assert_eq!(
            (draft.revision("T", 1).headline, draft.revision("T", 1).body),
            ("H", &b"B"[..])
        );
        let withdraw = r#"{"op": "withdraw", "ref": 1, "title": "T", "reason": "why"}"#;
        let Ask::Publish(Publish { what: What::Withdraw { title, reason }, .. }) = ask(withdraw)
        else {
            panic!()
        };
        assert_eq!((&*title, &*reason), ("T", "why"));
        let bytes = r#"{"op": "publish", "topic": "t", "body_base64": "AP8="}"#;
        let Ask::Publish(Publish { what: What::Post { media_type, payload, .. }, .. }) = ask(bytes)
        else {
            panic!()
        };
        assert_eq!((&*media_type, &payload[..]), ("application/octet-stream", &b"\0\xff"[..]));
    }

    #[test]
    fn what_is_wrong_is_told_to_whom_it_names() {
        for (json, to, status) in [
            ("", "", 400),
            ("[]", "", 400),
            ("{", "", 400),
            ("\"x\"", "", 400),
            ("{}", "", 422),
            (r#"{"op": "sing", "ref": 1}"#, ",\"ref\":1", 422),
            (r#"{"op": "subscribe"}"#, "", 422),
            (r#"{"op": "subscribe", "sub": {}}"#, "", 422),
            (r#"{"op": "subscribe", "sub": 1.5}"#, "", 422),
            (r#"{"op": "subscribe", "sub": 1e300}"#, "", 422),
            (r#"{"op": "subscribe", "sub": "s", "after": "nonsense"}"#, ",\"sub\":\"s\"", 400),
            (r#"{"op": "subscribe", "sub": "s", "filter": 1}"#, ",\"sub\":\"s\"", 422),
            (r#"{"op": "unsubscribe", "sub": "s", "topic": "t"}"#, ",\"sub\":\"s\"", 422),
            (r#"{"op": "publish", "ref": "r"}"#, ",\"ref\":\"r\"", 422),
            (r#"{"op": "publish", "ref": "r", "sub": "s"}"#, ",\"ref\":\"r\"", 422),
            (r#"{"op": "publish", "ref": "r", "topic": "t"}"#, ",\"ref\":\"r\"", 422),
            (r#"{"op": "publish", "ref": 2, "topic": "t", "title": "T"}"#, ",\"ref\":2", 422),
            (r#"{"op": "publish", "ref": 2, "topic": "t", "body_base64": "A"}"#, ",\"ref\":2", 422),
            (
                r#"{"op": "publish", "ref": 2, "topic": "t", "body": "", "section": "s"}"#,
                ",\"ref\":2",
                422,
            ),
            (
                r#"{"op": "publish", "ref": 2, "title": "T", "body": "", "titel": "s"}"#,
                ",\"ref\":2",
                422,
            ),
            (
                r#"{"op": "publish", "ref": 2, "title": "T", "body": "", "base": "x"}"#,
                ",\"ref\":2",
                400,
            ),
            (
                r#"{"op": "publish", "ref": 2, "title": "T", "body": "", "conflict": "x"}"#,
                ",\"ref\":2",
                400,
            ),
            (
                r#"{"op": "publish", "ref": 2, "topic": "t", "body": "", "durability": 1.5}"#,
                ",\"ref\":2",
                400,
            ),
            (r#"{"op": "withdraw", "ref": 2}"#, ",\"ref\":2", 422),
        ] {
            let asked = read(json);
            assert_eq!(asked.to.to_string(), to, "{json}");
            let problem = asked.ask.err().unwrap_or_else(|| panic!("{json} is taken"));
            assert_eq!(problem.status().code(), status, "{json}");
            let said: Value = serde_json::from_str(&error(&asked.to, &problem)).expect("JSON");
            assert_eq!(
                (&said["event"], &said["problem"]["status"]),
                (&"error".into(), &status.into())
            );
        }
        let long = format!(r#"{{"op": "subscribe", "sub": "{}"}}"#, "x".repeat(TAG_BYTES_MAX - 1));
        assert!(read(&long).ask.is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, text in "[\\[{\":,a-b0-9}\\]]{0,40}") {
            let _ = Asked::read(&bytes);
            let _ = Asked::read(text.as_bytes());
        }

        #[test]
        fn any_name_comes_back_as_it_was_given(name in ".{0,20}") {
            let json = serde_json::json!({"op": "unsubscribe", "sub": name, "ref": name});
            let asked = Asked::read(json.to_string().as_bytes());
            let said: Value = serde_json::from_str(&done(&asked.to, None)).expect("JSON");
            prop_assert_eq!(&said["ref"], &json["ref"]);
        }
    }
}
