//! What a PUT carries: the fields of a revision out of JSON, or a body as it is. Reads what it
//! knows and walks over the rest, so that a body costs no more memory than its texts.

use super::problem::Problem;
use super::query::Query;
use crate::news::{Located, MERGE_ALIAS, Revision, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Keys that an update has in our JSON and a writer can't set: what was read can be sent back.
const READ_ONLY: [&str; 10] =
    ["id", "origin", "seq", "at", "kind", "topic", "title", "base", "conflicts", "generation"];

const TEXT: &str = "text/plain";

/// A revision as its writer sent it, not yet judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::serve) struct Draft {
    headline: Option<String>,
    section: Option<String>,
    summary: String,
    author: String,
    language: Option<String>,
    located: Option<Located>,
    media_type: Option<String>,
    /// The media type if nothing says another.
    guess: &'static str,
    alias: Option<String>,
    body: Vec<u8>,
    /// What of an article is to be handed on as it came.
    wire: Vec<u8>,
}

impl Draft {
    /// A body as it is; the query may name the other fields.
    pub(super) fn plain(query: &Query<'_>) -> Self {
        Self {
            headline: query.own("headline"),
            section: query.own("section"),
            summary: query.own("summary").unwrap_or_default(),
            author: query.own("author").unwrap_or_default(),
            language: query.own("language"),
            alias: query.own("alias"),
            ..Self::default()
        }
    }

    /// All fields of a revision, as a form has them.
    pub(in crate::serve) fn whole(revision: &Revision<'_>, media_type: &str) -> Self {
        Self {
            headline: Some(revision.headline.to_owned()),
            section: Some(revision.section.to_owned()),
            summary: revision.summary.to_owned(),
            author: revision.author.to_owned(),
            language: Some(revision.language.to_owned()),
            located: revision.located,
            media_type: Some(media_type.to_owned()),
            body: revision.body.to_vec(),
            ..Self::default()
        }
    }

    /// Sets the body of a [`Draft::plain`]. Without a media type it is plain text if it is UTF-8.
    pub(in crate::serve) fn set_body(&mut self, media_type: Option<String>, body: Vec<u8>) {
        let is_text = std::str::from_utf8(&body).is_ok();
        self.guess = if is_text { TEXT } else { "application/octet-stream" };
        self.media_type = media_type;
        self.body = body;
    }

    /// Takes from its base what was not sent, so that to merge is to change what was sent and
    /// nothing else. Author and summary are each revision's own.
    pub(in crate::serve) fn inherit(&mut self, base: &Version<'_>) {
        let text = |own: &mut Option<String>, base: &str| {
            own.get_or_insert_with(|| base.to_owned());
        };
        text(&mut self.headline, base.revision.headline);
        text(&mut self.section, base.revision.section);
        text(&mut self.language, base.revision.language);
        text(&mut self.media_type, base.media_type);
        self.located = self.located.or(base.revision.located);
    }

    /// Reads a JSON object: 400 when it is none, 422 with the names of all fields that are wrong.
    pub(in crate::serve) fn from_json(bytes: &[u8]) -> Result<Self, Problem> {
        Self::of_members(Members::read(bytes)?)
    }

    /// The same of an object that stands already.
    pub(in crate::serve) fn of_object(members: Map<String, Value>) -> Result<Self, Problem> {
        let members = Members::deserialize(Value::Object(members));
        Self::of_members(members.map_err(|error: serde_json::Error| {
            Problem::malformed(format!("the fields are not as expected: {error}"))
        })?)
    }

    /// The same of an object that was read, without the members that were taken out of it.
    pub(in crate::serve) fn of_members(Members(members): Members) -> Result<Self, Problem> {
        let mut draft = Self::default();
        let mut faults = Vec::new();
        let mut bodies = 0;
        for (name, value) in members {
            if matches!(name.as_str(), "body" | "body_base64") && value != Member::Null {
                bodies += 1;
            }
            if let Err(fault) = draft.take(&name, value) {
                faults.push((name, fault.to_owned()));
            }
        }
        if bodies == 0 {
            faults.push(("body".to_owned(), "body or body_base64 is missing".to_owned()));
        } else if bodies > 1 {
            faults.push(("body".to_owned(), "body or body_base64, and once".to_owned()));
        }
        if faults.is_empty() { Ok(draft) } else { Err(Problem::fields(faults)) }
    }

    fn take(&mut self, name: &str, value: Member) -> Result<(), &'static str> {
        if value == Member::Null || READ_ONLY.contains(&name) {
            return Ok(());
        }
        match name {
            "headline" => self.headline = Some(value.text()?),
            "section" => self.section = Some(value.text()?),
            "summary" => self.summary = value.text()?,
            "author" => self.author = value.text()?,
            "language" => self.language = Some(value.text()?),
            "media_type" => self.media_type = Some(value.text()?),
            "alias" => self.alias = Some(value.text()?),
            "body" => self.body = value.text()?.into_bytes(),
            "body_base64" => {
                let bytes = STANDARD.decode(value.text()?);
                self.body = bytes.map_err(|_| "body_base64 is not base64 (RFC 4648, padded)")?;
            }
            "located" => self.located = Some(value.located()?),
            _ => return Err("no field of this name is known"),
        }
        Ok(())
    }

    /// The media type of the body.
    pub(in crate::serve) fn media_type(&self) -> &str {
        self.media_type.as_deref().unwrap_or(if self.guess.is_empty() { TEXT } else { self.guess })
    }

    /// Its name outside of the herd; empty for none.
    pub(in crate::serve) fn alias(&self) -> &str {
        self.alias.as_deref().unwrap_or_default()
    }

    /// The same under a name outside of the herd.
    pub(in crate::serve) fn aliased(self, alias: &str) -> Self {
        Self { alias: Some(alias.to_owned()), ..self }
    }

    /// The same, made of an article: what of it is to be handed on as it came.
    pub(in crate::serve) fn wired(self, wire: Vec<u8>) -> Self {
        Self { wire, ..self }
    }

    /// Who wrote it, as it says.
    pub(in crate::serve) fn author(&self) -> &str {
        &self.author
    }

    /// Names who wrote it.
    pub(in crate::serve) fn set_author(&mut self, name: &str) {
        name.clone_into(&mut self.author);
    }

    /// Why it can't have its alias.
    pub(in crate::serve) fn alias_fault(&self) -> Option<&'static str> {
        let alias = self.alias.as_deref()?;
        if !(1..=255).contains(&alias.len()) || alias.chars().any(char::is_control) {
            Some("an alias has 1 to 255 bytes and no control characters")
        } else if alias.starts_with(MERGE_ALIAS) {
            Some("an alias that begins with merge: is the herd's own")
        } else {
            None
        }
    }

    /// Bytes of the body.
    pub(in crate::serve) fn body_bytes(&self) -> usize {
        self.body.len()
    }

    /// The revision that it would be.
    pub(in crate::serve) fn revision<'a>(
        &'a self,
        title: &'a str,
        generation: u32,
    ) -> Revision<'a> {
        Revision {
            generation,
            title,
            headline: self.headline.as_deref().unwrap_or_default(),
            section: self.section.as_deref().unwrap_or_default(),
            summary: &self.summary,
            author: &self.author,
            language: self.language.as_deref().unwrap_or_default(),
            located: self.located,
            body: &self.body,
            wire: &self.wire,
        }
    }
}

/// The members of an object, in order.
pub(in crate::serve) struct Members(Vec<(String, Member)>);

impl Members {
    /// Reads a JSON object: 400 when it is none.
    pub(in crate::serve) fn read(bytes: &[u8]) -> Result<Self, Problem> {
        let mut input = serde_json::Deserializer::from_slice(bytes);
        Self::deserialize(&mut input)
            .and_then(|members| input.end().map(|()| members))
            .map_err(|error| Problem::malformed(format!("the body is not as expected: {error}")))
    }

    /// Takes it out.
    pub(in crate::serve) fn take(&mut self, name: &str) -> Option<Member> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(place).1)
    }

    /// The names of those that are left.
    pub(in crate::serve) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// A member's value as far as any field could want it.
#[derive(Debug, PartialEq)]
pub(in crate::serve) enum Member {
    Null,
    Text(String),
    Number(f64),
    /// An object with at least one of `lat` and `lon`.
    Place {
        lat: Option<f64>,
        lon: Option<f64>,
    },
    Other,
}

impl Member {
    /// Its text, if it is one.
    pub(in crate::serve) fn text(self) -> Result<String, &'static str> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err("must be a text"),
        }
    }

    fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    fn located(self) -> Result<Located, &'static str> {
        let Self::Place { lat: Some(lat), lon: Some(lon) } = self else {
            return Err("must be {\"lat\": degrees, \"lon\": degrees}");
        };
        Located::from_degrees(lat, lon).ok_or("lat is from -90 to 90, lon from -180 to 180 degrees")
    }
}

/// Members beyond this many can only be unknown or repeated ones.
const MEMBERS_MAX: usize = 64;

impl<'de> Deserialize<'de> for Members {
    fn deserialize<T: Deserializer<'de>>(input: T) -> Result<Self, T::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if members.len() == MEMBERS_MAX {
                        return Err(serde::de::Error::custom("too many members"));
                    }
                    members.push((name, map.next_value_seed(MemberSeed)?));
                }
                Ok(Members(members))
            }
        }
        input.deserialize_map(Object)
    }
}

struct MemberSeed;

impl<'de> DeserializeSeed<'de> for MemberSeed {
    type Value = Member;

    fn deserialize<T: Deserializer<'de>>(self, input: T) -> Result<Member, T::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MemberSeed {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Member, E> {
        Ok(Member::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Member, E> {
        Ok(Member::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Member, E> {
        Ok(Member::Text(text))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Member, E> {
        Ok(Member::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Member, E> {
        Ok(Member::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Member, E> {
        Ok(Member::Number(number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Member, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
        let (mut lat, mut lon) = (None, None);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "lat" => lat = map.next_value_seed(MemberSeed)?.number(),
                "lon" => lon = map.next_value_seed(MemberSeed)?.number(),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Member::Place { lat, lon })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::http::answer::Answer;
    use proptest::prelude::*;

    fn status(json: &str) -> u16 {
        Draft::from_json(json.as_bytes()).map_or_else(|p| Answer::from(p).status().code(), |_| 200)
    }

    #[test]
    fn all_fields_are_read_and_what_was_read_can_be_sent_back() {
        let json = r#"{"id": "x", "at": 1, "base": ["y"], "conflicts": [], "headline": "H",
            "section": "S", "summary": null, "author": "A", "language": "en",
            "media_type": "text/markdown", "located": {"lat": 1, "lon": -2.5}, "body": "B\u00e9"}"#;
        let draft = Draft::from_json(json.as_bytes()).unwrap();
        let revision = draft.revision("t", 3);
        assert_eq!((revision.headline, revision.section, revision.author), ("H", "S", "A"));
        assert_eq!((revision.summary, revision.language), ("", "en"));
        assert_eq!(revision.body, "Bé".as_bytes());
        assert_eq!(draft.media_type(), "text/markdown");
        assert_eq!(revision.located, Located::from_degrees(1.0, -2.5));
        let draft = Draft::from_json(br#"{"body_base64": "AP8="}"#).unwrap();
        assert_eq!(draft.revision("t", 1).body, b"\x00\xff");
        assert_eq!(draft.media_type(), "text/plain");
    }

    #[test]
    fn what_was_not_sent_is_taken_from_the_base() {
        let located = Some(Located { lat_udeg: 1, lon_udeg: 2 });
        let revision = Revision {
            headline: "H",
            section: "S",
            summary: "why",
            author: "Ann",
            language: "en",
            located,
            body: b"old",
            ..Revision::default()
        };
        let base = Version { revision, media_type: "text/markdown" };
        let mut bare = Draft::default();
        bare.set_body(None, b"new".to_vec());
        assert_eq!(bare.media_type(), "text/plain");
        bare.inherit(&base);
        let wanted = Revision { body: b"new", summary: "", author: "", ..revision };
        assert_eq!((bare.revision("", 0), bare.media_type()), (wanted, "text/markdown"));
        let mut sent =
            Draft::from_json(br#"{"headline": "", "section": null, "body": "x"}"#).unwrap();
        sent.inherit(&base);
        assert_eq!((sent.revision("", 0).headline, sent.revision("", 0).section), ("", "S"));
    }

    #[test]
    fn what_is_no_object_is_malformed_and_what_is_no_field_is_named() {
        for json in ["", "[]", "{", "{\"body\": \"x\"} x", "\"x\"", "{\"body\": \"\\ud800\"}"] {
            assert_eq!(status(json), 400, "{json}");
        }
        for json in [
            "{}",
            r#"{"body": 1}"#,
            r#"{"body": "x", "body_base64": "AA=="}"#,
            r#"{"body": "x", "body": "y"}"#,
            r#"{"body_base64": "A"}"#,
            r#"{"body": "x", "titel": "y"}"#,
            r#"{"body": "x", "located": {"lat": 91, "lon": 0}}"#,
            r#"{"body": "x", "located": {"lat": 1}}"#,
            r#"{"body": "x", "located": {"lat": "1", "lon": 2}}"#,
            r#"{"body": "x", "located": [1, 2]}"#,
            r#"{"body": "x", "headline": {}}"#,
        ] {
            assert_eq!(status(json), 422, "{json}");
        }
        let many: Vec<String> = (0..100).map(|n| format!("\"k{n}\": 1")).collect();
        assert_eq!(status(&format!("{{{}}}", many.join(","))), 400);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, text in "[\\[{\":,a-b0-9}\\]]{0,40}") {
            let _ = Draft::from_json(&bytes);
            let _ = Draft::from_json(text.as_bytes());
        }
    }
}
