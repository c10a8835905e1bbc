//! One port for several protocols: waits for the first bytes of a connection, tells by them what is
//! spoken, and gives its place to a connection of that protocol, which finds every byte where it
//! was. A client that says nothing for a while is one of a protocol in which the server speaks
//! first, where one of these is offered. TLS begins in place where the listener has certificates:
//! what is spoken inside is then told in the same way, once.

use crate::base::InBuf;
use crate::config::{Limits, Listen, Service};
use crate::proto::sniff::{Sign, Verdict, sniff};
use crate::reactor::{Ctx, Lost, Outcome, Protocol, TlsServer};
use std::sync::Arc;

/// Makes the connection of one protocol of a listener, for the connection at hand.
pub type Make<D> = fn(&mut Ctx<'_, D>, &mut D, &Arc<Listen>, Service) -> Box<dyn Protocol<D>>;

/// A connection of which it is not known yet what it speaks.
pub struct AutoConnection<D> {
    listen: Arc<Listen>,
    make: Make<D>,
    /// What secures it if its client begins TLS; `None`: it does not, or has done so.
    tls: Option<TlsServer>,
    /// In which the server speaks first, if there is one.
    greeting: Option<Service>,
    silence_ms: u64,
    head_ms: u64,
    /// Bytes came, too few to tell.
    has_begun: bool,
}

/// What a protocol's first bytes look like; `None` where the server speaks first.
fn sign(service: Service) -> Option<Sign> {
    match service {
        Service::Http => Some(Sign::Http),
        Service::Line => Some(Sign::Line),
        Service::At => Some(Sign::At),
        _ => None,
    }
}

impl<D> AutoConnection<D> {
    /// A connection of a listener of [`Service::Auto`], which `tls` secures if its client begins
    /// that.
    pub fn new(
        listen: &Arc<Listen>,
        limits: &Limits,
        tls: Option<TlsServer>,
        make: Make<D>,
    ) -> Self {
        let greeting = listen.protocols.iter().copied().find(|service| service.greets());
        let (silence_ms, head_ms) = (limits.silence_ms, limits.head_ms);
        let listen = Arc::clone(listen);
        Self { listen, make, tls, greeting, silence_ms, head_ms, has_begun: false }
    }

    /// Waits for the first word, or for it to be overdue.
    fn await_word(&mut self, cx: &mut Ctx<'_, D>) {
        self.has_begun = false;
        let ms = if self.greeting.is_some() { self.silence_ms } else { self.head_ms };
        cx.transport().set_timeout(Some(ms));
    }

    /// What secures a connection whose client begins TLS now. What is in TLS already is not.
    fn upgrade(&mut self, cx: &mut Ctx<'_, D>) -> Option<TlsServer> {
        self.tls.take().filter(|_| !cx.transport().is_secure())
    }

    fn offered(&self, wanted: impl Fn(Service) -> bool) -> Option<Service> {
        self.listen.protocols.iter().copied().find(|service| wanted(*service))
    }

    /// What is spoken by whose first bytes are of nothing that is told by them. The line protocol
    /// answers any line, and people type anything.
    fn otherwise(&self) -> Option<Service> {
        let line = self.offered(|service| service == Service::Line);
        line.or(self.greeting).or_else(|| self.listen.protocols.first().copied())
    }

    fn by_sign(&self, found: Sign) -> Option<Service> {
        let told = self.offered(|service| sign(service) == Some(found));
        // What telnet says before it is greeted; and what has no meaning in any other protocol.
        let greeting = || self.greeting.filter(|_| found == Sign::Telnet);
        let other = || self.otherwise().filter(|_| found != Sign::Telnet);
        told.or_else(greeting).or_else(other)
    }

    fn settle(&self, cx: &mut Ctx<'_, D>, desk: &mut D, service: Option<Service>) {
        let Some(service) = service else {
            log::info!("{}: nothing of what is spoken here begins like this", cx.id());
            return cx.transport().close_for(Lost::Wire);
        };
        let next = (self.make)(cx, desk, &self.listen, service);
        cx.hand_over(next);
    }
}

impl<D> Protocol<D> for AutoConnection<D> {
    fn made(&mut self, cx: &mut Ctx<'_, D>, _desk: &mut D) -> Outcome {
        self.await_word(cx);
        Ok(())
    }

    fn secured(&mut self, cx: &mut Ctx<'_, D>, _desk: &mut D) -> Outcome {
        self.await_word(cx);
        Ok(())
    }

    fn received(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        match sniff(input.data()) {
            Verdict::Is(Sign::Tls) => match self.upgrade(cx) {
                Some(tls) => cx.transport().accept_tls(&tls),
                None => self.settle(cx, desk, None),
            },
            Verdict::Is(found) => self.settle(cx, desk, self.by_sign(found)),
            Verdict::Nothing => self.settle(cx, desk, self.otherwise()),
            Verdict::Unsure if self.has_begun => {}
            Verdict::Unsure => {
                self.has_begun = true;
                cx.transport().set_timeout(Some(self.head_ms));
            }
        }
        Ok(())
    }

    /// Who ends here may still wait for an answer, or for what the server has to say.
    fn read_closed(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        if !input.is_empty() {
            self.settle(cx, desk, self.otherwise());
        } else if let Some(service) = self.greeting {
            self.settle(cx, desk, Some(service));
        } else {
            cx.transport().close();
        }
        Ok(())
    }

    fn timeout(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        // Who has begun to speak does not wait to be greeted.
        match self.greeting.filter(|_| !self.has_begun) {
            Some(service) => self.settle(cx, desk, Some(service)),
            None => cx.transport().abort_for(Lost::Idle),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
