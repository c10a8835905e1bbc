//! Which resource a path names, and what may be done with it. Pure: a path in, a route out.

use crate::accounts::Scope;
use crate::proto::http::{MalformedEscape, Method, path_segments};
use crate::serve::RouteLabel;
use std::borrow::Cow;

/// A resource. Titles, ids and topics stand decoded, and are not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Hello,
    Front,
    StoryPage(String),
    HistoryPage(String),
    SearchPage,
    Feed,
    SectionFeed(String),
    StoryFeed(String),
    DiffPage(String),
    EditPage(String),
    WithdrawPage(String),
    WritePage,
    Sections,
    Section(String),
    Changes,
    Map,
    Stylesheet,
    Script,
    EditScript,
    Icon,
    Stories,
    Story(String),
    History(String),
    Revision(String),
    Diff(String, String),
    Topic(String),
    Search,
    Updates,
    Spread(String),
    Stream,
    Socket,
    Echo,
    Herd,
    Charter,
    Accounts,
    Tokens,
    SignIn,
    SignOut,
    Healthz,
    Readyz,
    Metrics,
    HerdMetrics,
    Trace(String),
    PanelView,
    Panel,
    PanelConfirm,
    PanelDo,
    PanelStyle,
    PanelScript,
}

/// What a method may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Read,
    Put,
    Delete,
    Post,
    Options,
}

impl Route {
    /// The route of a path as it was sent; `None` when there is none.
    pub(super) fn find(path: &str) -> Result<Option<Self>, MalformedEscape> {
        let segments: Vec<Cow<'_, str>> = path_segments(path).collect::<Result<_, _>>()?;
        let segments: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
        let own = |text: &str| text.to_owned();
        Ok(Some(match segments[..] {
            [""] => Self::Front,
            ["hello"] => Self::Hello,
            ["style.css"] => Self::Stylesheet,
            ["site.js"] => Self::Script,
            ["edit.js"] => Self::EditScript,
            ["icon.svg"] => Self::Icon,
            ["sections"] => Self::Sections,
            ["sections", name] if !name.is_empty() => Self::Section(own(name)),
            ["changes"] => Self::Changes,
            ["map"] => Self::Map,
            ["healthz"] => Self::Healthz,
            ["readyz"] => Self::Readyz,
            ["metrics"] => Self::Metrics,
            ["metrics", "herd"] => Self::HerdMetrics,
            ["panel"] => Self::Panel,
            ["panel", "confirm"] => Self::PanelConfirm,
            ["panel", "do"] => Self::PanelDo,
            ["panel.css"] => Self::PanelStyle,
            ["panel.js"] => Self::PanelScript,
            ["stories", title] if !title.is_empty() => Self::StoryPage(own(title)),
            ["search"] => Self::SearchPage,
            ["feed.atom"] => Self::Feed,
            ["sections", name, "feed.atom"] if !name.is_empty() => Self::SectionFeed(own(name)),
            ["stories", title, "feed.atom"] if !title.is_empty() => Self::StoryFeed(own(title)),
            ["stories", title, "history"] => Self::HistoryPage(own(title)),
            ["stories", title, "diff"] => Self::DiffPage(own(title)),
            ["stories", title, "edit"] => Self::EditPage(own(title)),
            ["stories", title, "withdraw"] => Self::WithdrawPage(own(title)),
            ["write"] => Self::WritePage,
            ["v1", "stories"] => Self::Stories,
            ["v1", "stories", title] if !title.is_empty() => Self::Story(own(title)),
            ["v1", "stories", title, "history"] => Self::History(own(title)),
            ["v1", "revisions", id] => Self::Revision(own(id)),
            ["v1", "revisions", a, "diff", b] => Self::Diff(own(a), own(b)),
            ["v1", "topics", topic] if !topic.is_empty() => Self::Topic(own(topic)),
            ["v1", "search"] => Self::Search,
            ["v1", "updates"] => Self::Updates,
            ["v1", "updates", id, "spread"] => Self::Spread(own(id)),
            ["v1", "updates", id, "trace"] => Self::Trace(own(id)),
            ["v1", "panel"] => Self::PanelView,
            ["v1", "stream"] => Self::Stream,
            ["v1", "ws"] => Self::Socket,
            ["v1", "ws", "echo"] => Self::Echo,
            ["v1", "herd"] => Self::Herd,
            ["v1", "charter"] => Self::Charter,
            ["v1", "accounts"] => Self::Accounts,
            ["v1", "tokens"] => Self::Tokens,
            ["sign-in"] => Self::SignIn,
            ["sign-out"] => Self::SignOut,
            _ => return Ok(None),
        }))
    }

    /// What the method does here; `None`: nothing, see [`Route::allow`].
    pub(super) fn verb(&self, method: Method<'_>) -> Option<Verb> {
        match (method, self) {
            (Method::Options, _) => Some(Verb::Options),
            (
                Method::Post,
                Self::Topic(_)
                | Self::Charter
                | Self::Accounts
                | Self::SignIn
                | Self::SignOut
                | Self::EditPage(_)
                | Self::WithdrawPage(_)
                | Self::WritePage
                | Self::PanelDo,
            ) => Some(Verb::Post),
            (Method::Put, Self::Story(_)) => Some(Verb::Put),
            (Method::Delete, Self::Story(_)) => Some(Verb::Delete),
            (Method::Get | Method::Head, Self::Topic(_) | Self::SignOut | Self::PanelDo) => None,
            (Method::Get | Method::Head, _) => Some(Verb::Read),
            _ => None,
        }
    }

    /// The value of `Allow`.
    pub(super) fn allow(&self) -> &'static str {
        match self {
            Self::Story(_) => "GET, HEAD, PUT, DELETE, OPTIONS",
            Self::Topic(_) | Self::SignOut | Self::PanelDo => "POST, OPTIONS",
            Self::Charter
            | Self::Accounts
            | Self::SignIn
            | Self::EditPage(_)
            | Self::WithdrawPage(_)
            | Self::WritePage => "GET, HEAD, POST, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }

    /// What one has to be allowed to do this here: the one table of it. Reading needs nothing, but
    /// of what is not for readers.
    pub(super) fn scope(&self, verb: Verb) -> Option<Scope> {
        match (verb, self) {
            (Verb::Put, Self::Story(_))
            | (Verb::Post, Self::Topic(_))
            | (_, Self::EditPage(_) | Self::WritePage) => Some(Scope::Write),
            (Verb::Delete, Self::Story(_)) | (_, Self::WithdrawPage(_)) => Some(Scope::Withdraw),
            (_, Self::Accounts | Self::Tokens) => Some(Scope::Admin),
            (_, Self::Panel | Self::PanelView | Self::PanelConfirm | Self::PanelDo) => {
                Some(Scope::Admin)
            }
            _ => None,
        }
    }

    /// True where it matters who asks even if anyone may: pages, which say who is signed in, and
    /// the charter, which judges for itself.
    pub(super) fn is_personal(&self) -> bool {
        matches!(
            self,
            Self::Front
                | Self::StoryPage(_)
                | Self::HistoryPage(_)
                | Self::DiffPage(_)
                | Self::Sections
                | Self::Section(_)
                | Self::Changes
                | Self::Map
                | Self::SearchPage
                | Self::SignIn
                | Self::SignOut
                | Self::Charter
        )
    }

    /// True for pages with a form for those who are not signed in, too.
    pub(super) fn has_form(&self) -> bool {
        matches!(
            self,
            Self::SignIn
                | Self::SignOut
                | Self::EditPage(_)
                | Self::WithdrawPage(_)
                | Self::WritePage
                | Self::PanelConfirm
                | Self::PanelDo
        )
    }

    /// Its name in the metrics.
    pub(super) fn label(&self) -> RouteLabel {
        match self {
            Self::Hello => RouteLabel::Hello,
            Self::Front => RouteLabel::Front,
            Self::StoryPage(_) => RouteLabel::StoryPage,
            Self::HistoryPage(_) => RouteLabel::HistoryPage,
            Self::SearchPage => RouteLabel::SearchPage,
            Self::Feed => RouteLabel::Feed,
            Self::SectionFeed(_) => RouteLabel::SectionFeed,
            Self::StoryFeed(_) => RouteLabel::StoryFeed,
            Self::DiffPage(_) => RouteLabel::DiffPage,
            Self::EditPage(_) => RouteLabel::EditPage,
            Self::WithdrawPage(_) => RouteLabel::WithdrawPage,
            Self::WritePage => RouteLabel::WritePage,
            Self::EditScript => RouteLabel::EditScript,
            Self::Sections => RouteLabel::Sections,
            Self::Section(_) => RouteLabel::Section,
            Self::Changes => RouteLabel::Changes,
            Self::Map => RouteLabel::Map,
            Self::Stylesheet => RouteLabel::Stylesheet,
            Self::Script => RouteLabel::Script,
            Self::Icon => RouteLabel::Icon,
            Self::Stories => RouteLabel::Stories,
            Self::Story(_) => RouteLabel::Story,
            Self::History(_) => RouteLabel::History,
            Self::Revision(_) => RouteLabel::Revision,
            Self::Diff(..) => RouteLabel::Diff,
            Self::Topic(_) => RouteLabel::Topic,
            Self::Search => RouteLabel::Search,
            Self::Updates => RouteLabel::Updates,
            Self::Spread(_) => RouteLabel::Spread,
            Self::Stream => RouteLabel::Stream,
            Self::Socket => RouteLabel::Socket,
            Self::Echo => RouteLabel::Echo,
            Self::Herd => RouteLabel::Herd,
            Self::Charter => RouteLabel::Charter,
            Self::Accounts => RouteLabel::Accounts,
            Self::Tokens => RouteLabel::Tokens,
            Self::SignIn => RouteLabel::SignIn,
            Self::SignOut => RouteLabel::SignOut,
            Self::Healthz => RouteLabel::Healthz,
            Self::Readyz => RouteLabel::Readyz,
            Self::Metrics => RouteLabel::Metrics,
            Self::HerdMetrics => RouteLabel::HerdMetrics,
            Self::Trace(_) => RouteLabel::Trace,
            Self::PanelView => RouteLabel::PanelView,
            Self::Panel => RouteLabel::Panel,
            Self::PanelConfirm => RouteLabel::PanelConfirm,
            Self::PanelDo => RouteLabel::PanelDo,
            Self::PanelStyle => RouteLabel::PanelStyle,
            Self::PanelScript => RouteLabel::PanelScript,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_its_route() {
        let title = |text: &str| text.to_owned();
        for (path, route) in [
            ("/", Some(Route::Front)),
            ("/hello", Some(Route::Hello)),
            ("/hello/", None),
            ("/Hello", None),
            ("//hello", None),
            ("/stories", None),
            ("/stories/", None),
            ("/stories/a", Some(Route::StoryPage(title("a")))),
            ("/stories/a/history", Some(Route::HistoryPage(title("a")))),
            ("/stories/a/diff", Some(Route::DiffPage(title("a")))),
            ("/stories/a%2Fb/edit", Some(Route::EditPage(title("a/b")))),
            ("/stories/a/withdraw", Some(Route::WithdrawPage(title("a")))),
            ("/write", Some(Route::WritePage)),
            ("/edit.js", Some(Route::EditScript)),
            ("/sections", Some(Route::Sections)),
            ("/sections/", None),
            ("/sections/World%20News", Some(Route::Section(title("World News")))),
            ("/changes", Some(Route::Changes)),
            ("/map", Some(Route::Map)),
            ("/style.css", Some(Route::Stylesheet)),
            ("/search", Some(Route::SearchPage)),
            ("/v1/search", Some(Route::Search)),
            ("/feed.atom", Some(Route::Feed)),
            ("/sections/a%2Fb/feed.atom", Some(Route::SectionFeed(title("a/b")))),
            ("/sections//feed.atom", None),
            ("/stories/a/feed.atom", Some(Route::StoryFeed(title("a")))),
            ("/site.js", Some(Route::Script)),
            ("/icon.svg", Some(Route::Icon)),
            ("/v1/stories", Some(Route::Stories)),
            ("/v1/stories/", None),
            ("/v1/stories/a%2Fb%20c", Some(Route::Story(title("a/b c")))),
            ("/v1/stories/a/b", None),
            ("/v1/stories/%C3%A9t%C3%A9", Some(Route::Story(title("été")))),
            ("/v1/stories/history", Some(Route::Story(title("history")))),
            ("/v1/stories/a%2Fhistory", Some(Route::Story(title("a/history")))),
            ("/v1/stories/a/history", Some(Route::History(title("a")))),
            ("/v1/revisions/00", Some(Route::Revision(title("00")))),
            ("/v1/revisions/00/diff/1", Some(Route::Diff(title("00"), title("1")))),
            ("/v1/revisions/00/diff", None),
            ("/v1/topics/a+b", Some(Route::Topic(title("a+b")))),
            ("/v1/updates", Some(Route::Updates)),
            ("/v1/stream", Some(Route::Stream)),
            ("/v1/ws", Some(Route::Socket)),
            ("/v1/ws/echo", Some(Route::Echo)),
            ("/v1/ws/", None),
            ("/v1/herd", Some(Route::Herd)),
            ("/v1/charter", Some(Route::Charter)),
            ("/v1/accounts", Some(Route::Accounts)),
            ("/v1/accounts/ann", None),
            ("/v1/tokens", Some(Route::Tokens)),
            ("/sign-in", Some(Route::SignIn)),
            ("/sign-out", Some(Route::SignOut)),
            ("/v1", None),
            ("/v2/herd", None),
            ("/healthz", Some(Route::Healthz)),
            ("/readyz", Some(Route::Readyz)),
            ("/metrics", Some(Route::Metrics)),
            ("/metrics/herd", Some(Route::HerdMetrics)),
            ("/v1/updates/00/trace", Some(Route::Trace(title("00")))),
            ("/v1/panel", Some(Route::PanelView)),
            ("/panel", Some(Route::Panel)),
            ("/panel/confirm", Some(Route::PanelConfirm)),
            ("/panel/do", Some(Route::PanelDo)),
            ("/panel/", None),
            ("", Some(Route::Front)),
        ] {
            assert_eq!(Route::find(path), Ok(route), "{path}");
        }
    }

    #[test]
    fn malformed_escapes_are_told_from_unknown_paths() {
        for path in ["/v1/stories/%", "/v1/stories/%zz", "/v1/stories/%ff", "/%f0%9f"] {
            assert_eq!(Route::find(path), Err(MalformedEscape), "{path}");
        }
    }

    #[test]
    fn what_is_allowed_is_what_has_a_verb() {
        let routes = [
            Route::Hello,
            Route::Story("a".into()),
            Route::Topic("a".into()),
            Route::Stream,
            Route::Charter,
            Route::Accounts,
            Route::Tokens,
            Route::SignIn,
            Route::SignOut,
            Route::HistoryPage("a".into()),
            Route::Panel,
            Route::PanelDo,
            Route::EditPage("a".into()),
            Route::WithdrawPage("a".into()),
            Route::WritePage,
        ];
        for route in routes {
            for (method, name) in [
                (Method::Get, "GET"),
                (Method::Head, "HEAD"),
                (Method::Put, "PUT"),
                (Method::Post, "POST"),
                (Method::Delete, "DELETE"),
                (Method::Options, "OPTIONS"),
                (Method::Trace, "TRACE"),
                (Method::Other("BREW"), "BREW"),
            ] {
                let allowed = route.allow().split(", ").any(|allowed| allowed == name);
                assert_eq!(route.verb(method).is_some(), allowed, "{route:?} {name}");
            }
        }
    }
}
