//! `bellwether pb`: calls an object over Perspective Broker, ours or any Twisted server's, and
//! shows the answer, and the calls that come back.

use super::Command;
use super::args::{self, Args, Opt};
use super::failure::Failure;
use crate::accounts::TokenId;
use crate::base::InBuf;
use crate::proto::pb::{Broker, Call, Event, Failure as Refusal, Jelly, ObjectId, PbLimits};
use serde_json::{Map, Value, json};
use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

pub(super) const COMMAND: Command =
    Command { name: "pb", about: "call a method over Perspective Broker", help: HELP, run };

const HELP: &str = "\
Calls a method of a Perspective Broker server's root object, or of the avatar of a login, and prints
the answer as JSON. The server may be a node, or any program of Twisted's.

Usage: bellwether pb METHOD [ARGUMENT]… [OPTION]…

Arguments:
  TEXT        text; what reads as JSON is that value: 7, true, null, [1, 2], \"7\"
  NAME=VALUE  an argument by name
  @           an object of ours: the server's calls of it are printed, a line each, as
              {\"called\": METHOD, \"args\": […], \"named\": {…}}

Options:
  --server HOST:PORT  where it listens (default 127.0.0.1:8787)
  --name NAME         log in as NAME first; the password, or the token of a node, is in the variable
                      BELLWETHER_TOKEN
  --anonymous         log in as nobody first
  --count N           with @: end after so many calls of it (default: when the server closes)
  -h, --help          this page

MD5 is all that stands between a login and who listens: beyond this machine, use it over TLS.

Examples:
  bellwether pb read Weather
  bellwether pb subscribe @ section=politics after=0
  bellwether pb publish Weather 'It rains.' conflict=overwrite --name mia
";

const OPTIONS: &[Opt] =
    &[args::value("server"), args::value("name"), args::flag("anonymous"), args::value("count")];

/// What an answer may cost: a server that was asked is trusted with more than a client.
const LIMITS: PbLimits =
    PbLimits { message_bytes: 32 << 20, message_items: 1 << 20, depth: 64, references: 1024 };
/// The word for an object of ours.
const OBJECT: &str = "@";

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("pb", OPTIONS, given)?;
    let words = args.words()?;
    let Some((method, arguments)) = words.split_first() else {
        return Err(args.wrong("name a method"));
    };
    let server = args.text("server")?.unwrap_or("127.0.0.1:8787");
    let login = match (args.text("name")?, args.has("anonymous")) {
        (Some(_), true) => return Err(args.wrong("--name and --anonymous exclude each other")),
        (Some(name), false) => Login::Name(name.to_owned(), password()?),
        (None, true) => Login::Anonymous,
        (None, false) => Login::None,
    };
    let has_object = arguments.contains(&OBJECT);
    let count = args.number("count", u64::MAX, 1..=u64::MAX)?;
    if args.raw("count").is_some() && !has_object {
        return Err(args.wrong("--count is for calls of @"));
    }
    let arguments = arguments.iter().map(|word| Argument::of(word)).collect();
    let calls = if has_object { count } else { 0 };
    let mut session = Session::new(login, (*method).to_owned(), arguments, calls);
    let unreachable = |error| {
        let hint = "does it listen there, with protocol = \"pb\"?";
        Failure::failed(format!("cannot reach {server}: {error}; {hint}"))
    };
    let stream = TcpStream::connect(server).map_err(unreachable)?;
    converse(&mut session, stream, out)
}

fn password() -> Result<String, Failure> {
    let missing = "put the password, or a node's token, into BELLWETHER_TOKEN";
    std::env::var("BELLWETHER_TOKEN").map_err(|_| Failure::usage(missing))
}

/// Carries bytes between a session and its server until the session is over.
fn converse(
    session: &mut Session,
    mut stream: TcpStream,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let lost = |error: std::io::Error| Failure::failed(format!("the connection broke: {error}"));
    let mut input = InBuf::new(LIMITS.message_bytes + 128);
    loop {
        let read = match stream.read(input.space(64 << 10)) {
            Ok(0) => return session.on_closed(),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(lost(error)),
        };
        input.filled(read);
        session.on_bytes(&mut input, out)?;
        stream.write_all(&std::mem::take(&mut session.said)).map_err(lost)?;
        out.flush()?;
        if session.is_over() {
            return Ok(());
        }
    }
}

/// How to begin.
#[derive(Debug)]
enum Login {
    None,
    Anonymous,
    Name(String, String),
}

/// An argument of the command line.
#[derive(Debug, PartialEq)]
struct Argument {
    name: Option<String>,
    /// `None`: an object of ours.
    value: Option<Value>,
}

impl Argument {
    fn of(word: &str) -> Self {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let (name, word) = match word.split_once('=') {
            Some((name, value)) if is_name(name) => (Some(name.to_owned()), value),
            _ => (None, word),
        };
        let text = || Value::String(word.to_owned());
        let value = (word != OBJECT).then(|| serde_json::from_str(word).unwrap_or_else(|_| text()));
        Self { name, value }
    }
}

/// What an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Challenge,
    Enter,
    Call,
}

/// A conversation with a server, sans-I/O.
struct Session {
    broker: Broker<(), Step>,
    login: Login,
    method: String,
    arguments: Vec<Argument>,
    has_begun: bool,
    has_answer: bool,
    /// So many calls of our object are waited for still.
    calls: u64,
    /// To be sent.
    said: Vec<u8>,
}

impl Session {
    fn new(login: Login, method: String, arguments: Vec<Argument>, calls: u64) -> Self {
        let broker = Broker::client(LIMITS);
        let (has_begun, has_answer, said) = (false, false, Vec::new());
        Self { broker, login, method, arguments, has_begun, has_answer, calls, said }
    }

    fn is_over(&self) -> bool {
        self.has_answer && self.calls == 0
    }

    /// The server closed: well, if all that is missing is calls without number.
    fn on_closed(&self) -> Result<(), Failure> {
        if self.has_answer {
            return Ok(());
        }
        Err(Failure::failed("the server closed the connection and gave no answer"))
    }

    fn on_bytes(&mut self, input: &mut InBuf, out: &mut dyn Write) -> Result<(), Failure> {
        let broken = |error| Failure::failed(format!("the server does not keep to PB: {error}"));
        while let Some(event) = self.broker.next(input, &mut self.said).map_err(broken)? {
            match event {
                Event::Handled | Event::Released(()) => {}
                Event::Call(call) => self.on_call(&call, out)?,
                Event::Answer(step, value) => self.on_answer(step, &value, out)?,
                Event::Failed(_, failure) => return Err(Failure::failed(told(&failure))),
            }
            if self.is_over() {
                break;
            }
        }
        if self.broker.is_running() && !std::mem::replace(&mut self.has_begun, true) {
            self.begin();
        }
        Ok(())
    }

    fn begin(&mut self) {
        let none = Vec::new;
        match &self.login {
            Login::None => self.call(ObjectId::Name(b"root")),
            Login::Anonymous => {
                let mind = (vec![Jelly::None], none());
                self.broker.call_root(&mut self.said, "loginAnonymous", mind, Step::Enter);
            }
            Login::Name(name, _) => {
                let name = (vec![Jelly::Bytes(name.as_bytes())], none());
                self.broker.call_root(&mut self.said, "login", name, Step::Challenge);
            }
        }
    }

    /// The call that all of it is for.
    fn call(&mut self, object: ObjectId<'_>) {
        let (mut places, mut named) = (Vec::new(), Vec::new());
        for argument in &self.arguments {
            let value = match &argument.value {
                Some(value) => Jelly::of_json(value),
                // No more than there are words on a command line.
                None => self.broker.export(()).map_or(Jelly::None, Jelly::Remote),
            };
            match &argument.name {
                Some(name) => named.push((Jelly::Text(name), value)),
                None => places.push(value),
            }
        }
        let arguments = (places, named);
        self.broker.call(&mut self.said, object, &self.method, arguments, Some(Step::Call));
    }

    fn on_call(&mut self, call: &Call<'_, ()>, out: &mut dyn Write) -> Result<(), Failure> {
        let named = call.named.iter().map(|(name, value)| ((*name).to_owned(), value.to_json()));
        let args: Value = call.args.iter().map(Jelly::to_json).collect();
        let named: Map<String, Value> = named.collect();
        writeln!(out, "{}", json!({"called": call.method, "args": args, "named": named}))?;
        self.calls = self.calls.saturating_sub(1);
        self.broker.answer(&mut self.said, call.id.as_ref(), &Jelly::None);
        Ok(())
    }

    fn on_answer(
        &mut self,
        step: Step,
        value: &Jelly<'_>,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        match (step, value) {
            (Step::Call, value) => {
                self.has_answer = true;
                Ok(writeln!(out, "{}", value.to_json())?)
            }
            (Step::Enter, Jelly::Remote(avatar)) => {
                self.broker.keep(*avatar);
                self.call(ObjectId::Number(*avatar));
                Ok(())
            }
            (Step::Challenge, Jelly::Tuple(given)) => self.on_challenge(given),
            (Step::Enter | Step::Challenge, _) => Err(strange_login()),
        }
    }

    fn on_challenge(&mut self, given: &[Jelly<'_>]) -> Result<(), Failure> {
        let [Jelly::Bytes(challenge), Jelly::Remote(challenger)] = given else {
            return Err(strange_login());
        };
        let Login::Name(_, password) = &self.login else { return Err(strange_login()) };
        let response = TokenId::digest_of(password).response(challenge);
        let arguments = (vec![Jelly::Bytes(&response), Jelly::None], Vec::new());
        // It is let go of behind this call, as Twisted does.
        let challenger = ObjectId::Number(*challenger);
        self.broker.call(&mut self.said, challenger, "respond", arguments, Some(Step::Enter));
        Ok(())
    }
}

fn strange_login() -> Failure {
    Failure::failed("the server answered the login with something that is none")
}

fn told(failure: &Refusal<'_>) -> String {
    match failure.value {
        "" => failure.kind.to_owned(),
        value => format!("{}: {value}", failure.kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::pb::RequestId;

    /// Lets a session talk with a server whose calls are done by `act`; what was printed.
    fn talk(
        mut session: Session,
        mut act: impl FnMut(&mut Broker<u8, ()>, &Call<'_, u8>, &mut Vec<u8>),
    ) -> (Result<(), Failure>, String) {
        let mut server: Broker<u8, ()> = Broker::server(PbLimits::default(), 0);
        let (mut to_server, mut to_client) = (InBuf::new(1 << 20), InBuf::new(1 << 20));
        let (mut said, mut out) = (Vec::new(), Vec::new());
        server.start(&mut said);
        while !said.is_empty() && !session.is_over() {
            to_client.push(&std::mem::take(&mut said));
            if let Err(failure) = session.on_bytes(&mut to_client, &mut out) {
                return (Err(failure), String::from_utf8(out).unwrap());
            }
            to_server.push(&std::mem::take(&mut session.said));
            while let Some(event) = server.next(&mut to_server, &mut said).unwrap() {
                if let Event::Call(call) = event {
                    act(&mut server, &call, &mut said);
                }
            }
        }
        (session.on_closed(), String::from_utf8(out).unwrap())
    }

    fn session(login: Login, words: &[&str], calls: u64) -> Session {
        let arguments = words.iter().map(|word| Argument::of(word)).collect();
        Session::new(login, "do".to_owned(), arguments, calls)
    }

    #[test]
    fn words_become_values() {
        let value = |word| Argument::of(word).value;
        assert_eq!(value("7"), Some(json!(7)));
        assert_eq!(value("seven up"), Some(json!("seven up")));
        assert_eq!(value("\"7\""), Some(json!("7")));
        assert_eq!(value("@"), None);
        let named = Argument { name: Some("a_1".to_owned()), value: Some(json!([1])) };
        assert_eq!(Argument::of("a_1=[1]"), named);
        assert_eq!(value("a b=c"), Some(json!("a b=c")));
        assert_eq!(value("=c"), Some(json!("=c")));
    }

    #[test]
    fn an_answer_is_printed_and_so_are_calls_of_our_object() {
        let (done, out) =
            talk(session(Login::None, &["x", "n=1", "@"], 2), |server, call, said| {
                assert_eq!((call.object, call.method), (0, "do"));
                assert_eq!(call.args, [Jelly::Text("x"), Jelly::Remote(1)]);
                assert_eq!(call.named, [("n", Jelly::Int(1))]);
                assert!(server.keep(1));
                for n in 1..=2 {
                    let arguments = (vec![Jelly::Int(n)], vec![(Jelly::Text("k"), Jelly::None)]);
                    server.call(said, ObjectId::Number(1), "tell", arguments, Some(()));
                }
                server.answer(said, call.id.as_ref(), &Jelly::Bool(true));
            });
        assert_eq!(done, Ok(()));
        assert_eq!(
            out,
            "{\"called\":\"tell\",\"args\":[1],\"named\":{\"k\":null}}\n\
             {\"called\":\"tell\",\"args\":[2],\"named\":{\"k\":null}}\ntrue\n"
        );
    }

    #[test]
    fn a_login_is_answered_before_the_avatar_is_called() {
        let login = Login::Name("ann".to_owned(), "secret".to_owned());
        let (done, out) = talk(session(login, &[], 0), |server, call, said| {
            let id: Option<&RequestId> = call.id.as_ref();
            match (call.object, call.method) {
                (0, "login") => {
                    assert_eq!(call.args, [Jelly::Bytes(b"ann")]);
                    let challenger = Jelly::Remote(server.export(1).unwrap());
                    let challenge = Jelly::Bytes(b"0123456789abcdef");
                    server.answer(said, id, &Jelly::Tuple(vec![challenge, challenger]));
                }
                (1, "respond") => {
                    let Jelly::Bytes(response) = call.args[0] else { panic!("{call:?}") };
                    assert!(TokenId::digest_of("secret").responds(b"0123456789abcdef", response));
                    let avatar = server.export(2).unwrap();
                    server.answer(said, id, &Jelly::Remote(avatar));
                }
                (2, "do") => server.answer(said, id, &Jelly::Text("done")),
                other => panic!("{other:?}"),
            }
        });
        assert_eq!((done, &out[..]), (Ok(()), "\"done\"\n"));
    }

    #[test]
    fn a_failure_is_told_with_its_class() {
        let (done, out) = talk(session(Login::Anonymous, &[], 0), |server, call, said| {
            server.fail(said, call.id.as_ref(), &Refusal::unauthorized_login());
        });
        let failure = done.unwrap_err();
        assert_eq!((failure.exit_code(), &out[..]), (1, ""));
        assert_eq!(failure.to_string(), "twisted.cred.error.UnauthorizedLogin");
    }
}
