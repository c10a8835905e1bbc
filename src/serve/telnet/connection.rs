//! One console: keys go to whatever is under way, and what that says is shown.

use super::command::Line;
use super::follow::{self, Follow};
use super::pager::{Pager, Told, Turn};
use super::run::{Begun, body_text, run};
use super::talk::{At, Next, Talk};
use super::tty::Tty;
use super::user::User;
use crate::base::InBuf;
use crate::config::Limits;
use crate::proto::telnet::{Edited, Event, Key};
use crate::reactor::{Ctx, Lost, Outcome, Protocol};
use crate::serve::Desk;
use crate::serve::visitor::note_led_browser;

/// What may wait to be looked at.
const INPUT_BYTES_MAX: usize = 16 << 10;
/// How often a follower is sent something that does nothing, so that neither it nor what is between
/// takes the connection for dead.
const NOTHING_MS: u64 = 60_000;
/// Of a word that is no command so much is told.
const WORD_CHARS_MAX: usize = 20;
/// What stands before a command.
const PROMPT: &str = "> ";

/// What is under way.
#[derive(Debug)]
enum Phase {
    /// Nothing: the next line is a command.
    Command,
    /// A text is being shown.
    Page(Box<Pager>),
    /// What comes is being shown.
    Follow(Box<Follow>),
    /// The next line belongs to a talk.
    Talk(Talk),
}

/// One console.
#[derive(Debug)]
pub struct TelnetConnection {
    tty: Tty,
    user: User,
    phase: Phase,
    /// The talk waits for the node: nothing is read meanwhile.
    is_waiting: bool,
    idle_ms: u64,
}

impl TelnetConnection {
    /// A console at its first byte.
    pub fn new(limits: &Limits) -> Self {
        Self {
            tty: Tty::new(limits.telnet_line_bytes),
            user: User::default(),
            phase: Phase::Command,
            is_waiting: false,
            idle_ms: limits.telnet_idle_ms,
        }
    }

    fn on_event<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, event: Event) {
        match event {
            Event::Key(key) => self.on_key(cx, desk, key),
            Event::Echo(true) if self.has_line() => self.tty.on_echo(cx.transport().out().tail()),
            Event::AreYouThere => {
                let yes = format!("[{} is here]\n", desk.config().name);
                if self.has_line() {
                    self.tty.interject(&yes, cx.transport().out().tail());
                } else {
                    self.tty.say(&yes, cx.transport().out().tail());
                }
            }
            Event::AbortOutput if !self.has_line() => self.on_key(cx, desk, Key::Interrupt),
            Event::AbortOutput | Event::Echo(_) | Event::Resized => {}
        }
    }

    /// True while a prompt stands there, with a line behind it.
    fn has_line(&self) -> bool {
        matches!(self.phase, Phase::Command | Phase::Talk(_))
    }

    fn on_key<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, key: Key) {
        let echoes = self.tty.telnet.echoes();
        let is_end = matches!(key, Key::Enter | Key::Interrupt | Key::EndOfFile);
        match &mut self.phase {
            Phase::Follow(_) if echoes || is_end => return self.end_follow(cx, desk),
            Phase::Follow(_) => return,
            Phase::Page(_) if echoes || key == Key::Interrupt => {
                if let Some(turn) = Turn::of(key) {
                    self.tty.erase_prompt(cx.transport().out().tail());
                    self.turn(cx, desk, turn);
                }
                return;
            }
            Phase::Talk(_) if echoes && matches!(key, Key::Up | Key::Down) => {
                if self.on_arrow(cx, desk, key == Key::Up) {
                    return;
                }
            }
            Phase::Talk(_) | Phase::Page(_) | Phase::Command => {}
        }
        match self.tty.on_key(key, cx.transport().out().tail()) {
            Edited::Going => {}
            Edited::Redraw => self.tty.draw(cx.transport().out().tail()),
            Edited::Line { text, is_cut } => {
                if is_cut {
                    self.tty.say(
                        "(That line was too long: its end is gone.)",
                        cx.transport().out().tail(),
                    );
                }
                self.on_line(cx, desk, &text);
            }
            Edited::Interrupt => self.on_interrupt(cx, desk),
            Edited::EndOfFile => self.on_end(cx, desk),
        }
    }

    fn on_line<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, line: &str) {
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Command => self.on_command(cx, desk, line),
            Phase::Page(pager) => {
                self.phase = Phase::Page(pager);
                self.turn(cx, desk, Turn::of_line(line));
            }
            Phase::Follow(follow) => self.phase = Phase::Follow(follow),
            Phase::Talk(talk) => {
                let shows_old = self.tty.telnet.echoes();
                self.talk(cx, desk, talk, |talk, at| talk.on_line(at, line, shows_old));
            }
        }
    }

    fn on_command<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, line: &str) {
        self.tty.remember(line);
        let mut said = String::new();
        match Line::read(line) {
            Line::Empty => {}
            Line::Command(verb, rest) => {
                desk.tally().on_telnet(verb.name());
                let tty = &mut self.tty;
                let user = &mut self.user;
                let mut at = At { cx: &mut *cx, desk: &mut *desk, user, said: &mut said };
                let begun = run(&mut at, tty, (verb, rest));
                match begun {
                    Ok(Begun::Nothing) => {}
                    Ok(Begun::Story(text, told)) => {
                        return self.page(cx, desk, text, Some(told));
                    }
                    Ok(Begun::Talk(talk, next)) => return self.go_on(cx, desk, talk, next, &said),
                    Ok(Begun::Follow(section)) => {
                        return self.follow(cx, desk, section.as_deref());
                    }
                    Ok(Begun::Quit) => return self.goodbye(cx, "Goodbye."),
                    Err(told) => said = told,
                }
            }
            Line::Several(names) => said = format!("Which one: {}?", names.join(", ")),
            Line::Unknown(word) => {
                let word: String = word.chars().take(WORD_CHARS_MAX).collect();
                said = format!("No command {word}: help lists them all.");
            }
            Line::Http => {
                desk.tally().on_telnet("http");
                note_led_browser(cx, "telnet");
                return self.goodbye(cx, "This is Telnet, not HTTP.");
            }
        }
        self.page(cx, desk, said, None);
    }

    fn on_arrow<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, is_up: bool) -> bool {
        let Phase::Talk(talk) = &mut self.phase else { return false };
        let mut said = String::new();
        let user = &mut self.user;
        let mut at = At { cx: &mut *cx, desk, user, said: &mut said };
        let has_gone = talk.on_arrow(&mut at, self.tty.line(), is_up);
        if has_gone {
            let text = talk.replaced().unwrap_or_default().to_owned();
            let (prompt, is_secret) = talk.prompt();
            self.tty.set_line(&text);
            self.tty.show("\n", cx.transport().out().tail());
            self.tty.ask(&prompt, is_secret, cx.transport().out().tail());
        } else if !said.is_empty() {
            self.tty.interject(&said, cx.transport().out().tail());
        }
        has_gone
    }

    fn on_interrupt<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Talk(talk) => self.talk(cx, desk, talk, Talk::on_interrupt),
            phase => {
                self.phase = phase;
                self.prompt(cx);
            }
        }
    }

    fn on_end<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Talk(talk) => self.talk(cx, desk, talk, Talk::on_end),
            Phase::Page(_) => self.prompt(cx),
            Phase::Command | Phase::Follow(_) => self.goodbye(cx, "Goodbye."),
        }
    }

    /// Takes a step of a talk.
    fn talk<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        mut talk: Talk,
        step: impl FnOnce(&mut Talk, &mut At<'_, '_, D>) -> Next,
    ) {
        let mut said = String::new();
        let user = &mut self.user;
        let next =
            step(&mut talk, &mut At { cx: &mut *cx, desk: &mut *desk, user, said: &mut said });
        self.go_on(cx, desk, talk, next, &said);
    }

    fn go_on<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        mut talk: Talk,
        next: Next,
        said: &str,
    ) {
        self.is_waiting = matches!(next, Next::Wait(_));
        match next {
            Next::Ask => {
                self.tty.say(said, cx.transport().out().tail());
                if self.tty.telnet.echoes()
                    && let Some(old) = talk.replaced()
                {
                    self.tty.set_line(old);
                }
                let (prompt, is_secret) = talk.prompt();
                self.tty.ask(&prompt, is_secret, cx.transport().out().tail());
                self.phase = Phase::Talk(talk);
                self.read_on(cx);
            }
            Next::Wait(ms) => {
                self.tty.say(said, cx.transport().out().tail());
                self.phase = Phase::Talk(talk);
                let mut transport = cx.transport();
                transport.pause();
                transport.set_timeout(Some(ms));
            }
            Next::Over => {
                talk.forget(cx, desk);
                self.page(cx, desk, said.to_owned(), None);
            }
        }
    }

    /// Shows what a command said, a window at a time, and asks for the next.
    fn page<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        said: String,
        story: Option<Told>,
    ) {
        self.phase = Phase::Page(Box::new(Pager::new(said, story)));
        self.read_on(cx);
        self.turn(cx, desk, Turn::Page);
    }

    fn turn<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, turn: Turn) {
        let Phase::Page(pager) = &mut self.phase else { return };
        let turned = pager.turn((turn, self.tty.telnet.window()), |cid| body_text(desk, cid));
        let is_over = pager.is_done() || turn == Turn::End || turned.is_err();
        let lines = turned.unwrap_or_else(|told| told + "\n");
        let percent = pager.percent();
        self.tty.show(&lines, cx.transport().out().tail());
        if is_over {
            self.phase = Phase::Command;
            return self.next_command(cx);
        }
        let prompt = format!("-- {percent}%: space, Enter, q -- ");
        self.tty.ask(&prompt, false, cx.transport().out().tail());
    }

    fn next_command<D>(&mut self, cx: &mut Ctx<'_, D>) {
        if cx.draining() {
            self.goodbye(cx, STOPS);
        } else {
            self.prompt(cx);
        }
    }

    fn prompt<D>(&mut self, cx: &mut Ctx<'_, D>) {
        self.tty.ask(PROMPT, false, cx.transport().out().tail());
    }

    /// Nothing is waited for any more.
    fn read_on<D>(&self, cx: &mut Ctx<'_, D>) {
        let mut transport = cx.transport();
        transport.resume();
        transport.set_timeout(Some(self.idle_ms));
    }

    fn goodbye<D>(&mut self, cx: &mut Ctx<'_, D>, word: &str) {
        self.tty.say(word, cx.transport().out().tail());
        cx.transport().close();
    }

    fn follow<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, section: Option<&str>) {
        match Follow::begin(cx, desk, section) {
            Ok(follow) => {
                self.tty.say(
                    "What is published comes here. Any key ends this.",
                    cx.transport().out().tail(),
                );
                cx.transport().set_timeout(Some(NOTHING_MS));
                self.phase = Phase::Follow(Box::new(follow));
                self.pump(cx, desk);
            }
            Err(told) => self.page(cx, desk, told, None),
        }
    }

    fn pump<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        let Phase::Follow(follow) = &mut self.phase else { return };
        let tty = &self.tty;
        let pumped = follow.pump(cx, desk, |cx, text| tty.say(text, cx.transport().out().tail()));
        if let Err(told) = pumped {
            self.tty.say(&told, cx.transport().out().tail());
            self.end_follow(cx, desk);
        }
    }

    fn end_follow<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        self.phase = Phase::Command;
        follow::end(cx, desk);
        self.read_on(cx);
        self.next_command(cx);
    }

    fn drain<D>(&mut self, cx: &mut Ctx<'_, D>) {
        if self.has_line() {
            self.tty.show("\n", cx.transport().out().tail());
        }
        self.goodbye(cx, STOPS);
    }
}

/// What is said when the node stops.
const STOPS: &str = "This node is about to stop: try another one. Goodbye.";

impl<D: Desk> Protocol<D> for TelnetConnection {
    fn made(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        desk.sessions().enter(cx.id(), cx.now());
        desk.tally().telnet_connections += 1;
        cx.transport().set_input_cap(INPUT_BYTES_MAX);
        self.tty.telnet.begin(cx.transport().out().tail());
        let hello = format!("Bellwether, node {}. help lists the commands.", desk.config().name);
        self.tty.say(&hello, cx.transport().out().tail());
        self.read_on(cx);
        self.prompt(cx);
        Ok(())
    }

    fn received(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        if !matches!(self.phase, Phase::Follow(_)) {
            cx.transport().set_timeout(Some(self.idle_ms));
        }
        while !self.is_waiting && cx.more() {
            let Some(event) = self.tty.next(input, cx.transport().out().tail()) else { break };
            self.on_event(cx, desk, event);
        }
        Ok(())
    }

    fn notified(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        if self.is_waiting
            && let Phase::Talk(talk) = std::mem::replace(&mut self.phase, Phase::Command)
        {
            self.talk(cx, desk, talk, Talk::advance);
            return Ok(());
        }
        self.pump(cx, desk);
        if cx.draining() && cx.transport().is_open() {
            self.drain(cx);
        }
        Ok(())
    }

    fn drained(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.pump(cx, desk);
        Ok(())
    }

    fn timeout(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Talk(talk) if self.is_waiting => {
                self.talk(cx, desk, talk, Talk::late);
            }
            Phase::Follow(follow) => {
                self.phase = Phase::Follow(follow);
                self.tty.telnet.put_nothing(cx.transport().out().tail());
                cx.transport().set_timeout(Some(NOTHING_MS));
            }
            phase => {
                self.phase = phase;
                self.tty.show("\n", cx.transport().out().tail());
                self.goodbye(cx, "You were silent for long. Goodbye.");
            }
        }
        Ok(())
    }

    fn lost(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, _reason: Lost) {
        desk.sessions().leave(cx.id());
        desk.tally().telnet_connections -= 1;
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Follow(_) => follow::end(cx, desk),
            Phase::Talk(mut talk) => talk.forget(cx, desk),
            Phase::Command | Phase::Page(_) => {}
        }
    }
}
