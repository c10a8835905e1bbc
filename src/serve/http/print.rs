//! Stories as they are printed: the answers to `GET /v1/stories/{title}`, and the pages of stories
//! as everybody sees them, made once for each form that someone asks for and kept, head and body,
//! until the story changes. Bounded in bytes. Nothing of a session is ever printed.
//!
//! What changes a story must say so ([`Prints::forget`]) in the turn in which readers see it: a
//! text that was withdrawn is never served from here.

use super::answer::Answer;
use super::site::{HTML, POLICY};
use crate::base::{Chunk, OutBuf};
use crate::proto::http::{
    Accept, AcceptEncoding, Coding, DATE_BYTES, EntityTag, Fields, Preencoded, ReplyTo, Status,
    TagList,
};
use crate::update::Cid;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the form of a revision depends on.
pub(super) const VARY: &str = "Accept, Accept-Encoding, Sec-Fetch-Dest";
/// What a page depends on.
const PAGE_VARY: &str = "Accept-Encoding, Cookie";
const BYTES_MAX: usize = 8 << 20;
/// A longer answer is printed for whoever asks, and not kept. The page of a story of a megabyte, as
/// long as one may be unless the operator says otherwise, takes a tenth of a second to make.
const PRINT_BYTES_MAX: usize = 2 << 20;
/// So many forms of one story are kept.
const FORMS_MAX: usize = 16;
/// What an entry costs beside its bytes.
const COST_BYTES: usize = 512;
/// A shorter body is copied behind its head, so that both lie in one piece.
const COPIED_BYTES_MAX: usize = 16 * 1024;

/// What a client would like of a revision.
#[derive(Debug)]
pub(super) struct Wants<'a> {
    /// `None` when it does not say.
    accept: Option<Accept<'a>>,
    encodings: AcceptEncoding,
    /// What it asks for whatever it accepts.
    shape: Option<Shape>,
}

impl<'a> Wants<'a> {
    pub(super) fn read(fields: &Fields<'a>, alone: bool) -> Self {
        let accept = fields.first("accept").map(|_| Accept::read(fields));
        let shape = match alone {
            _ if would_run(fields) => Some(Shape::Json),
            alone => alone.then_some(Shape::Alone),
        };
        Self { accept, encodings: AcceptEncoding::read(fields), shape }
    }

    /// A page, with what changed since a revision marked where one is named.
    pub(super) fn page(fields: &Fields<'a>, since: Option<Cid>) -> Self {
        let shape = Some(Shape::Page { since });
        Self { accept: None, encodings: AcceptEncoding::read(fields), shape }
    }

    /// The form in which it gets a revision of this media type.
    pub(super) fn form(&self, media_type: &str) -> Form {
        let prefers = |accept| super::stories::prefers_body(accept, media_type);
        let liked = || {
            let is_alone = self.accept.as_ref().is_some_and(prefers);
            if is_alone { Shape::Alone } else { Shape::Json }
        };
        let shape = self.shape.unwrap_or_else(liked);
        let coding = self.encodings.best(&Coding::OFFERS).unwrap_or(Coding::Identity);
        Form { shape, coding }
    }
}

/// True when a browser asks for what it will run or style a page with (Fetch, 2.2.5). It gets no
/// body that a writer sent, whatever that calls itself: pages of this site may run its own scripts.
fn would_run(fields: &Fields<'_>) -> bool {
    const RUN: [&[u8]; 8] = [
        b"script",
        b"style",
        b"xslt",
        b"worker",
        b"sharedworker",
        b"serviceworker",
        b"audioworklet",
        b"paintworklet",
    ];
    fields.first("sec-fetch-dest").is_some_and(|dest| RUN.contains(&dest))
}

/// As what a revision is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    Json,
    /// The body alone.
    Alone,
    /// A page for people.
    Page {
        /// What changed since this revision is marked.
        since: Option<Cid>,
    },
}

/// How a revision is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Form {
    pub(super) shape: Shape,
    pub(super) coding: Coding,
}

impl Form {
    /// The tag of a revision in this form, quoted; of a page `id` is the hash of what it shows.
    pub(super) fn tag(self, id: Cid) -> String {
        let shape = match self.shape {
            Shape::Json => "",
            Shape::Alone => "-text",
            Shape::Page { .. } => "-page",
        };
        match self.coding {
            Coding::Identity => format!("\"{id}{shape}\""),
            coding => format!("\"{id}{shape}-{}\"", coding.name()),
        }
    }
}

/// A revision in some form: what an answer says of it, and its body.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) tag: String,
    pub(super) media_type: String,
    pub(super) coding: Coding,
    pub(super) body: Vec<u8>,
    shape: Shape,
}

impl Shown {
    /// Encodes a body for a form, if it is worth it; then `form` says what was made.
    pub(super) fn new(cid: Cid, media_type: String, body: Vec<u8>, mut form: Form) -> Self {
        let encoded =
            Coding::is_worth(&media_type, body.len()).then(|| form.coding.encode(&body)).flatten();
        if encoded.is_none() {
            form.coding = Coding::Identity;
        }
        let body = encoded.unwrap_or(body);
        let (tag, coding, shape) = (form.tag(cid), form.coding, form.shape);
        Self { tag, media_type, coding, body, shape }
    }

    /// A page for everybody.
    pub(super) fn page(html: String, form: Form) -> Self {
        let hash = Cid(*blake3::hash(html.as_bytes()).as_bytes());
        Self::new(hash, HTML.to_owned(), html.into_bytes(), form)
    }

    /// The fields of its answers, whatever part of it they have.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let is_page = matches!(self.shape, Shape::Page { .. });
        let policy = match self.shape {
            Shape::Json => None,
            // What others wrote may be a page with scripts: it must not run as ours.
            Shape::Alone => Some("sandbox; default-src 'none'"),
            Shape::Page { .. } => Some(POLICY),
        };
        let policy = policy.map(|policy| ("Content-Security-Policy", policy));
        let is_coded = self.coding != Coding::Identity;
        let coding = is_coded.then(|| ("Content-Encoding", self.coding.name()));
        let always = [
            ("ETag", &self.tag[..]),
            ("Vary", if is_page { PAGE_VARY } else { VARY }),
            ("Cache-Control", "no-cache"),
        ];
        let kind =
            if is_page { ("Referrer-Policy", "same-origin") } else { ("Accept-Ranges", "bytes") };
        always.into_iter().chain([kind]).chain(policy).chain(coding)
    }
}

/// A whole answer, ready but for the date.
#[derive(Debug)]
pub(super) struct Print {
    head: Preencoded,
    body: Chunk,
    tag: String,
}

impl Print {
    pub(super) fn new(shown: Shown) -> Self {
        let kind = [("Content-Type", &*shown.media_type), ("X-Content-Type-Options", "nosniff")];
        let fields: Vec<_> = kind.into_iter().chain(shown.fields()).collect();
        let copied = if shown.body.len() <= COPIED_BYTES_MAX { &shown.body[..] } else { &[] };
        let head = Preencoded::in_front_of(Status::OK, &fields, shown.body.len(), copied);
        let body = if copied.is_empty() { shown.body.into() } else { Chunk::default() };
        Self { head, body, tag: shown.tag }
    }

    /// The answer to a client that has it, if it does.
    pub(super) fn not_modified(&self, fields: &Fields<'_>) -> Option<Answer> {
        let list = TagList::read(fields, "if-none-match").ok()??;
        let tag = EntityTag::parse(self.tag.as_bytes())?;
        list.names_any(&[tag]).then(|| {
            let answer = Answer::empty(Status::NOT_MODIFIED).field("ETag", &self.tag[..]);
            answer.field("Vary", PAGE_VARY).field("Cache-Control", "no-cache")
        })
    }

    /// Writes it: one copy, and a long body by reference.
    pub(super) fn put(&self, out: &mut OutBuf, to: ReplyTo, date: &[u8; DATE_BYTES]) {
        self.head.put(out.tail(), to, date);
        if !to.is_head && !self.body.is_empty() {
            out.put_chunk(&self.body);
        }
    }

    fn bytes(&self) -> usize {
        self.head.len() + self.body.len() + COST_BYTES
    }
}

/// The head revision of a story, in the forms that were asked for.
#[derive(Debug)]
struct Printed {
    media_type: String,
    forms: Vec<(Form, Arc<Print>)>,
    /// When it was first printed: its place among all.
    made: u64,
    bytes: usize,
}

/// The stories printed last.
#[derive(Debug, Default)]
pub struct Prints {
    stories: BTreeMap<String, Printed>,
    /// The titles by when they were first printed.
    order: BTreeMap<u64, String>,
    made: u64,
    bytes: usize,
}

impl Prints {
    /// The story in the form that the client wants, if it was printed since it changed.
    pub(super) fn find(&self, title: &str, wants: &Wants<'_>) -> Option<Arc<Print>> {
        let printed = self.stories.get(title)?;
        let form = wants.form(&printed.media_type);
        let found = printed.forms.iter().find(|(printed, _)| *printed == form)?;
        Some(Arc::clone(&found.1))
    }

    /// Keeps the head revision of a story in a form that was asked for.
    pub(super) fn keep(&mut self, title: &str, media_type: &str, form: Form, print: &Arc<Print>) {
        let bytes = print.bytes();
        if bytes > PRINT_BYTES_MAX {
            return;
        }
        let printed = self.stories.entry(title.to_owned()).or_insert_with(|| {
            self.made += 1;
            self.order.insert(self.made, title.to_owned());
            let media_type = media_type.to_owned();
            Printed { media_type, forms: Vec::new(), made: self.made, bytes: 2 * title.len() }
        });
        if printed.forms.is_empty() {
            self.bytes += printed.bytes;
        }
        if printed.forms.len() >= FORMS_MAX {
            let oldest = printed.forms.remove(0).1.bytes();
            printed.bytes -= oldest;
            self.bytes -= oldest;
        }
        printed.forms.push((form, Arc::clone(print)));
        printed.bytes += bytes;
        self.bytes += bytes;
        while self.bytes > BYTES_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.forget(&oldest);
        }
    }

    /// The story changed.
    pub fn forget(&mut self, title: &str) {
        if let Some(printed) = self.stories.remove(title) {
            self.order.remove(&printed.made);
            self.bytes -= printed.bytes;
        }
    }

    /// It is not known which stories changed.
    pub fn forget_all(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::JSON;
    use super::*;

    const PLAIN: Form = Form { shape: Shape::Json, coding: Coding::Identity };

    fn print(bytes: usize) -> Arc<Print> {
        let body = vec![b'x'; bytes];
        Arc::new(Print::new(Shown::new(Cid([1; 32]), JSON.to_owned(), body, PLAIN)))
    }

    fn found(prints: &Prints, title: &str) -> bool {
        let wants = Wants::read(&Fields::default(), false);
        prints.find(title, &wants).is_some()
    }

    #[test]
    fn the_oldest_give_way_and_leave_nothing_behind() {
        let mut prints = Prints::default();
        for n in 0..40 {
            prints.keep(&format!("story {n}"), "text/plain", PLAIN, &print(BYTES_MAX / 10));
        }
        assert!(prints.bytes <= BYTES_MAX && !found(&prints, "story 0"));
        assert!(found(&prints, "story 39"));
        assert_eq!(prints.stories.len(), prints.order.len());
        for n in 0..40 {
            prints.forget(&format!("story {n}"));
        }
        assert_eq!((prints.bytes, prints.stories.len(), prints.order.len()), (0, 0, 0));
        prints.keep("long", "text/plain", PLAIN, &print(PRINT_BYTES_MAX));
        assert!(!found(&prints, "long"));
    }

    #[test]
    fn of_very_many_forms_the_oldest_give_way() {
        let mut prints = Prints::default();
        let since = |n: u8| Form { shape: Shape::Page { since: Some(Cid([n; 32])) }, ..PLAIN };
        for n in 0..40 {
            prints.keep("a", "text/plain", since(n), &print(100));
        }
        let forms: Vec<Form> = prints.stories["a"].forms.iter().map(|(form, _)| *form).collect();
        assert_eq!(forms, (24..40).map(since).collect::<Vec<_>>());
        assert_eq!(prints.bytes, prints.stories["a"].bytes);
        prints.forget("a");
        assert_eq!(prints.bytes, 0);
    }

    #[test]
    fn a_story_that_changed_is_forgotten_in_all_its_forms() {
        let mut prints = Prints::default();
        let forms = [
            PLAIN,
            Form { shape: Shape::Alone, ..PLAIN },
            Form { shape: Shape::Page { since: None }, ..PLAIN },
            Form { coding: Coding::Gzip, ..PLAIN },
        ];
        for form in forms {
            prints.keep("a", "text/plain", form, &print(10));
        }
        prints.keep("b", "text/plain", PLAIN, &print(10));
        prints.forget("a");
        assert!(!found(&prints, "a") && found(&prints, "b"));
        prints.forget_all();
        assert!(!found(&prints, "b"));
    }
}
