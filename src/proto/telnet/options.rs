//! Who does what: RFC 1143's Q method. Each option has a state a side; an answer is given only to
//! what changes it, so that no two ends ever negotiate for ever. And
//! with one that changes its mind for ever, it ends after `ANSWERS_MAX`.

use super::command::{IAC, Verb, option};

/// Whose option it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Ours: WILL from us, DO from them.
    Us,
    /// Theirs: WILL from them, DO from us.
    Them,
}

/// RFC 1143, section 7, with the queue bit in the states that have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    No,
    Yes,
    /// We asked for an end. The opposite is queued, or not.
    WantNo(bool),
    /// We asked for it. The opposite is queued, or not.
    WantYes(bool),
}

/// An option is in force now, or no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    /// Whose.
    pub(super) side: Side,
    /// Which.
    pub(super) option: u8,
    /// It is in force.
    pub(super) is_on: bool,
}

/// The options that are spoken of, each with what we take part in: ours, theirs.
const KNOWN: [(u8, bool, bool); 6] = [
    (option::BINARY, true, true),
    (option::ECHO, true, false),
    (option::SGA, true, true),
    (option::TTYPE, false, true),
    (option::NAWS, false, true),
    (option::CHARSET, true, true),
];

/// After so many answers nothing is negotiated any more: who is not content by then never is.
const ANSWERS_MAX: u16 = 1000;

/// How all options stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    states: [[State; 2]; KNOWN.len()],
    answers: u16,
}

impl Options {
    /// True while the option is in force on this side.
    pub(super) fn is_on(&self, side: Side, option: u8) -> bool {
        place(option).is_some_and(|at| self.states[at][side as usize] == State::Yes)
    }

    /// True while it is neither in force nor asked for: once it was asked for, it was refused.
    pub(super) fn is_refused(&self, side: Side, option: u8) -> bool {
        place(option).is_some_and(|at| self.states[at][side as usize] == State::No)
    }

    /// Asks for an option of ours or theirs, or for its end; what is to be said goes to `out`.
    /// Nothing is said twice.
    pub(super) fn ask(&mut self, side: Side, option: u8, wish: bool, out: &mut Vec<u8>) {
        let Some(at) = place(option).filter(|at| takes_part(*at, side)) else { return };
        let state = &mut self.states[at][side as usize];
        let next = match (*state, wish) {
            (State::No | State::WantYes(_), true) => State::WantYes(false),
            (State::Yes | State::WantNo(_), false) => State::WantNo(false),
            (State::WantNo(_), true) => State::WantNo(true),
            (State::WantYes(_), false) => State::WantYes(true),
            (State::No, false) | (State::Yes, true) => return,
        };
        let is_said = matches!(*state, State::No | State::Yes);
        *state = next;
        if is_said {
            say(side, option, wish, out);
        }
    }

    /// Takes what the other end says; the answer, if there is to be one, goes to `out`.
    pub(super) fn on_word(&mut self, verb: Verb, option: u8, out: &mut Vec<u8>) -> Option<Changed> {
        let (side, wish) = match verb {
            Verb::Will => (Side::Them, true),
            Verb::Wont => (Side::Them, false),
            Verb::Do => (Side::Us, true),
            Verb::Dont => (Side::Us, false),
        };
        if self.answers == ANSWERS_MAX {
            return None;
        }
        let at = place(option).filter(|at| takes_part(*at, side));
        let Some(at) = at else {
            // What we know nothing of is refused; that it is not done is agreed to in silence.
            if wish {
                self.answers += 1;
                say(side, option, false, out);
            }
            return None;
        };
        let state = &mut self.states[at][side as usize];
        let was_on = *state == State::Yes;
        let (next, answer) = if wish { on_yes(*state) } else { on_no(*state) };
        *state = next;
        if let Some(wish) = answer {
            self.answers += 1;
            say(side, option, wish, out);
        }
        let is_on = next == State::Yes;
        (is_on != was_on).then_some(Changed { side, option, is_on })
    }
}

/// WILL or DO comes: the next state, and what is answered.
fn on_yes(state: State) -> (State, Option<bool>) {
    match state {
        State::No => (State::Yes, Some(true)),
        // An end was answered by its opposite: an error of theirs.
        State::Yes | State::WantYes(false) | State::WantNo(true) => (State::Yes, None),
        State::WantNo(false) => (State::No, None),
        State::WantYes(true) => (State::WantNo(false), Some(false)),
    }
}

/// WONT or DONT comes.
fn on_no(state: State) -> (State, Option<bool>) {
    match state {
        State::Yes => (State::No, Some(false)),
        State::No | State::WantNo(false) | State::WantYes(_) => (State::No, None),
        State::WantNo(true) => (State::WantYes(false), Some(true)),
    }
}

fn place(option: u8) -> Option<usize> {
    KNOWN.iter().position(|(known, _, _)| *known == option)
}

fn takes_part(at: usize, side: Side) -> bool {
    let (_, ours, theirs) = KNOWN[at];
    match side {
        Side::Us => ours,
        Side::Them => theirs,
    }
}

fn say(side: Side, option: u8, wish: bool, out: &mut Vec<u8>) {
    let verb = match (side, wish) {
        (Side::Us, true) => Verb::Will,
        (Side::Us, false) => Verb::Wont,
        (Side::Them, true) => Verb::Do,
        (Side::Them, false) => Verb::Dont,
    };
    out.extend_from_slice(&[IAC, verb.code(), option]);
}
