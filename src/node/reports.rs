//! Position reports on their way to the disk: what they will be, before the index says so.

use super::Node;
use crate::config::Durability;
use crate::news;
use crate::proto::line::{Decimal, Latlon, Radius, Report};
use crate::reactor::Ctx;
use crate::serve::line::{Heard, PlacesDesk, ReportAnswer};
use crate::serve::{Desk, Entry, Receipt, Refusal, Ticket};
use crate::store::StoreError;
use crate::update::Kind;
use std::collections::BTreeMap;

const MEDIA_TYPE: &str = "text/plain";
/// How long a report waits before it is tried again, while too much waits for the disk.
const BUSY_MS: u64 = 5;
/// Likewise for a report of a foreign server, while the disk takes no writes.
const FAILING_MS: u64 = 1_000;

/// The newest report of each id that waits for the disk.
#[derive(Debug, Default)]
pub(super) struct Reports {
    waiting: BTreeMap<Vec<u8>, (Ticket, Vec<u8>)>,
}

impl Reports {
    /// A report is on disk, or never will be.
    pub(super) fn forget(&mut self, line: &[u8]) {
        if let Ok(report) = news::read_report(line)
            && self.waiting.get(report.id).is_some_and(|(_, waiting)| waiting == line)
        {
            self.waiting.remove(report.id);
        }
    }
}

impl Node {
    /// The newest AT line of an id, and its ticket when it waits for the disk.
    fn newest_report(&self, id: &[u8]) -> Option<(Vec<u8>, Option<Ticket>)> {
        if let Some((ticket, line)) = self.reports.waiting.get(id) {
            return Some((line.clone(), Some(*ticket)));
        }
        match news::report(self.store.index(), id) {
            Ok(line) => line.map(|line| (line, None)),
            Err(error) => {
                log::error!("the report of an id can't be read: {error}");
                None
            }
        }
    }

    /// Makes an update of a report of `id`.
    fn publish_report(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        id: &[u8],
        line: &[u8],
        durability: Durability,
    ) -> Result<Receipt, Refusal> {
        let entry = Entry {
            kind: Kind::Report,
            topic: news::TOPIC_PLACES,
            media_type: MEDIA_TYPE,
            alias: "",
            parents: Vec::new(),
            payload: line,
        };
        let receipt = self.publish(cx, entry, durability)?;
        if let Some(ticket) = receipt.ticket {
            self.reports.waiting.insert(id.to_vec(), (ticket, line.to_vec()));
        }
        Ok(receipt)
    }
}

impl PlacesDesk for Node {
    fn report(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        id: &[u8],
        latlon: &Latlon<'_>,
        time: &Decimal<'_>,
    ) -> ReportAnswer {
        let Some(skew) = time.skew(cx.wall_ns()) else { return ReportAnswer::Refused };
        if skew.is_ahead_by_more_than(self.config.limits.report_ahead_ms) {
            return ReportAnswer::Refused;
        }
        if let Some((held, ticket)) = self.newest_report(id)
            && news::report_time(&held).is_some_and(|held| *time <= held)
        {
            return match ticket {
                Some(ticket) => ReportAnswer::After(ticket, held),
                None => ReportAnswer::Now(held),
            };
        }
        let skew = skew.to_string();
        let (server, latlon, time) = (self.config.name.as_bytes(), *latlon, *time);
        let mut line = Vec::with_capacity(128);
        Report { server, skew: skew.as_bytes(), id, latlon, time }.encode(&mut line);
        match self.publish_report(cx, id, &line, self.config.durability) {
            Ok(Receipt { ticket: Some(ticket), .. }) => ReportAnswer::After(ticket, line),
            Ok(Receipt { ticket: None, .. }) => ReportAnswer::Now(line),
            Err(Refusal::Busy(_)) => ReportAnswer::Later(BUSY_MS),
            Err(refusal) => {
                log::debug!("a report is refused: {refusal}");
                ReportAnswer::Refused
            }
        }
    }

    fn hear(&mut self, cx: &mut Ctx<'_, Self>, report: &Report<'_>) -> Heard {
        let held = self.newest_report(report.id);
        let is_news = held.is_none_or(|(held, _)| {
            news::read_report(&held).is_ok_and(|held| held.order(report).is_lt())
        });
        let ahead_ms = self.config.limits.report_ahead_ms;
        let skew = report.time.skew(cx.wall_ns());
        if !is_news || skew.is_none_or(|skew| skew.is_ahead_by_more_than(ahead_ms)) {
            return Heard::Nothing;
        }
        let mut line = Vec::with_capacity(128);
        report.encode(&mut line);
        match self.publish_report(cx, report.id, &line, self.config.durability) {
            Ok(receipt) => Heard::News(receipt),
            Err(Refusal::Busy(_)) => Heard::Later(BUSY_MS),
            Err(Refusal::Failing) => Heard::Later(FAILING_MS),
            Err(refusal @ (Refusal::Draining | Refusal::Malformed)) => {
                log::warn!("a foreign report is lost: {refusal}");
                Heard::Nothing
            }
        }
    }

    fn what_is_at(
        &self,
        id: &[u8],
        radius: Radius,
        bound: u8,
    ) -> Result<Option<(Vec<u8>, String)>, StoreError> {
        let index = self.store.index();
        let Some(line) = news::report(index, id)? else { return Ok(None) };
        let Ok(report) = news::read_report(&line) else { return Ok(None) };
        let (lat, lon) = report.latlon.microdegrees();
        let from = news::Located { lat_udeg: lat, lon_udeg: lon };
        let near = news::near(index, from, radius.km() * 1000.0, usize::from(bound))?;
        let json = news::nearby_json(&near, usize::from(bound));
        Ok(Some((line, json)))
    }
}
