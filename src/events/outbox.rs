//! The events that wait for delivery: those in order, and those that the service may fail on.

use std::collections::{HashSet, VecDeque};

use super::event::EvaluationEvent;
use crate::value::Value;

/// An event on its way to the service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OutgoingEvent {
    /// This client has tracked it.
    Tracked(EvaluationEvent),
    /// An earlier client has left it in the spool.
    Spooled(SpooledEvent),
}

/// An event as the spool holds it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SpooledEvent {
    pub(super) json: String,
    /// Where the `Z` of its timestamp stands in the text.
    pub(super) zone: Option<usize>,
    pub(super) exceeds_limits: bool,
}

impl OutgoingEvent {
    /// Returns the event as JSON, its timestamp with a `Z` or without.
    fn json(&self, zoned: bool) -> String {
        match self {
            OutgoingEvent::Tracked(event) => event.to_json(zoned),
            OutgoingEvent::Spooled(event) => {
                let mut json = event.json.clone();
                if let Some(zone) = event.zone.filter(|_| !zoned) {
                    json.remove(zone);
                }
                json
            }
        }
    }

    /// Returns the key of the flag; an empty one if the event has none.
    pub(super) fn flag_key(&self) -> String {
        match self {
            OutgoingEvent::Tracked(event) => event.get_flag_key().to_owned(),
            OutgoingEvent::Spooled(event) => {
                let event: Value = event.json.parse().unwrap_or_default();
                event.get("flag_key").and_then(Value::as_str).unwrap_or_default().to_owned()
            }
        }
    }

    /// Returns whether the event is beyond what some services store.
    pub(super) fn exceeds_limits(&self) -> bool {
        match self {
            OutgoingEvent::Tracked(event) => event.exceeds_limits(),
            OutgoingEvent::Spooled(event) => event.exceeds_limits,
        }
    }
}

/// The events of one source.
#[derive(Debug)]
pub(super) struct Outbox {
    regular: Line,
    suspects: Line,
    /// The most events that a request may hold.
    largest: usize,
    next_number: u64,
}

/// Which events of an outbox.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lane {
    /// In the order in which they were put in.
    Regular,
    /// The service has failed on each of these alone, or is likely to.
    Suspects,
}

#[derive(Debug)]
struct Line {
    entries: VecDeque<Entry>,
    /// How many events the next request may hold.
    limit: usize,
}

#[derive(Debug)]
pub(crate) struct Entry {
    /// Grows in the order in which events are put in.
    number: u64,
    pub(super) event: OutgoingEvent,
    /// How often the service has failed on it alone.
    pub(super) failures: u32,
    /// How many requests the service had accepted when it first did.
    pub(super) accepted_before: u64,
    /// How many probes it had.
    pub(super) probed_before: u64,
}

impl Outbox {
    /// Returns an empty outbox, whose requests hold at most `largest` events.
    pub(crate) fn new(largest: usize) -> Outbox {
        let line = || Line { entries: VecDeque::new(), limit: largest };
        Outbox { regular: line(), suspects: line(), largest, next_number: 0 }
    }

    /// Puts an event in. One that exceeds the limits of some services is a suspect from the start.
    pub(crate) fn push(&mut self, event: OutgoingEvent) {
        let lane = if event.exceeds_limits() { Lane::Suspects } else { Lane::Regular };
        let entry = Entry {
            number: self.next_number,
            event,
            failures: 0,
            accepted_before: 0,
            probed_before: 0,
        };
        self.next_number += 1;
        self.line_mut(lane).entries.push_back(entry);
    }

    pub(crate) fn len(&self) -> usize {
        self.regular.entries.len() + self.suspects.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many events a lane holds.
    pub(super) fn count(&self, lane: Lane) -> usize {
        self.line(lane).entries.len()
    }

    /// Returns how many events the service has failed on alone.
    pub(super) fn failed(&self) -> usize {
        self.suspects().filter(|entry| entry.failures > 0).count()
    }

    pub(crate) fn first(&self, lane: Lane) -> Option<&Entry> {
        self.line(lane).entries.front()
    }

    pub(crate) fn suspects(&self) -> impl Iterator<Item = &Entry> {
        self.suspects.entries.iter()
    }

    /// Puts the events of a spool in that are not suspects already.
    pub(super) fn push_spooled(&mut self, events: Vec<SpooledEvent>) {
        let texts = self.suspects().filter_map(|entry| match &entry.event {
            OutgoingEvent::Spooled(event) => Some(event.json.clone()),
            OutgoingEvent::Tracked(_) => None,
        });
        let known: HashSet<String> = texts.collect();
        for event in events.into_iter().filter(|event| !known.contains(&event.json)) {
            self.push(OutgoingEvent::Spooled(event));
        }
    }

    /// Returns how many events the next request from a lane may hold.
    pub(super) fn limit(&self, lane: Lane) -> usize {
        self.line(lane).limit
    }

    /// Makes the next request from a lane half as large as one of so many events.
    pub(super) fn shrink(&mut self, lane: Lane, count: usize) {
        self.line_mut(lane).limit = (count / 2).max(1);
    }

    /// Lets the next request from a lane be twice as large.
    pub(super) fn grow(&mut self, lane: Lane) {
        let largest = self.largest;
        let line = self.line_mut(lane);
        line.limit = line.limit.saturating_mul(2).min(largest);
    }

    /// Writes the body of a request that holds the first events of a lane.
    pub(crate) fn body(&self, lane: Lane, count: usize, zoned: bool) -> String {
        let entries = self.line(lane).entries.iter().take(count);
        let events: Vec<_> = entries.map(|entry| entry.event.json(zoned)).collect();
        format!(r#"{{"events":[{}]}}"#, events.join(","))
    }

    /// Takes the first events of a lane out.
    pub(super) fn take(&mut self, lane: Lane, count: usize) -> Vec<OutgoingEvent> {
        let entries = &mut self.line_mut(lane).entries;
        entries.drain(..count.min(entries.len())).map(|entry| entry.event).collect()
    }

    /// Takes the first entry of a lane out.
    pub(crate) fn take_first(&mut self, lane: Lane) -> Option<Entry> {
        self.line_mut(lane).entries.pop_front()
    }

    /// Moves the last entry of a lane to its front.
    pub(super) fn move_last_to_front(&mut self, lane: Lane) {
        let entries = &mut self.line_mut(lane).entries;
        if !entries.is_empty() {
            entries.rotate_right(1);
        }
    }

    /// Puts an entry behind all suspects.
    pub(crate) fn set_aside(&mut self, entry: Entry) {
        self.suspects.entries.push_back(entry);
    }

    /// Moves the suspects that the service has failed on before the others.
    pub(super) fn order_suspects(&mut self) {
        self.suspects.entries.make_contiguous().sort_by_key(|entry| entry.failures == 0);
    }

    /// Takes every event out, in the order in which they were put in.
    pub(super) fn take_all(&mut self) -> Vec<OutgoingEvent> {
        let mut entries = std::mem::take(&mut self.regular.entries);
        entries.append(&mut self.suspects.entries);
        entries.make_contiguous().sort_by_key(|entry| entry.number);
        entries.into_iter().map(|entry| entry.event).collect()
    }

    fn line(&self, lane: Lane) -> &Line {
        match lane {
            Lane::Regular => &self.regular,
            Lane::Suspects => &self.suspects,
        }
    }

    fn line_mut(&mut self, lane: Lane) -> &mut Line {
        match lane {
            Lane::Regular => &mut self.regular,
            Lane::Suspects => &mut self.suspects,
        }
    }
}

#[cfg(test)]
impl Outbox {
    /// Returns the flags of the events of a lane.
    pub(super) fn flags(&self, lane: Lane) -> Vec<String> {
        self.line(lane).entries.iter().map(|entry| entry.event.flag_key()).collect()
    }
}
