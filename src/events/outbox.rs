//! The outbox: events that wait for delivery, in a regular lane and a lane of suspects.

use std::collections::VecDeque;

use super::event::EvaluationEvent;
use crate::value::Value;

/// An event on its way to the service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OutgoingEvent {
    /// Tracked by this client.
    Tracked(EvaluationEvent),
    /// Read from the spool.
    Spooled(SpooledEvent),
}

/// An event from the spool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SpooledEvent {
    pub(super) json: String,
    /// The position of the `Z` of the timestamp in `json`; `None` without one.
    pub(super) zone: Option<usize>,
    pub(super) exceeds_limits: bool,
}

impl OutgoingEvent {
    /// Returns the event as JSON. `zoned` is whether the timestamp ends with a `Z`.
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

    /// Returns the key of the flag, or an empty one if it is missing.
    pub(super) fn flag_key(&self) -> String {
        match self {
            OutgoingEvent::Tracked(event) => event.get_flag_key().to_owned(),
            OutgoingEvent::Spooled(event) => {
                let event: Value = event.json.parse().unwrap_or_default();
                event.get("flag_key").and_then(Value::as_str).unwrap_or_default().to_owned()
            }
        }
    }

    /// Returns whether some services cannot store the event.
    pub(super) fn exceeds_limits(&self) -> bool {
        match self {
            OutgoingEvent::Tracked(event) => event.exceeds_limits(),
            OutgoingEvent::Spooled(event) => event.exceeds_limits,
        }
    }
}

/// The undelivered events of one source.
#[derive(Debug)]
pub(super) struct Outbox {
    regular: Entries,
    suspects: Entries,
    /// The most events in a request.
    max_request: usize,
    next_number: u64,
}

/// One of the two sequences of an outbox.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lane {
    /// Events in the order in which they were added.
    Regular,
    /// Events on which the service failed alone, or which some services cannot store.
    Suspects,
}

/// The events of one lane.
#[derive(Debug)]
struct Entries {
    entries: VecDeque<Entry>,
    /// The most events in the next request.
    limit: usize,
}

/// An event and its failures.
#[derive(Debug)]
pub(super) struct Entry {
    /// The position of the event in the order of addition.
    number: u64,
    pub(super) event: OutgoingEvent,
    /// How often the service failed on the event alone.
    pub(super) failures: u32,
    /// How many requests the service had accepted at the first of these failures.
    pub(super) accepted_before: u64,
    /// How many probes it had accepted then.
    pub(super) probed_before: u64,
}

impl Outbox {
    /// Returns an empty outbox, with at most `max_request` events in a request.
    pub(crate) fn new(max_request: usize) -> Outbox {
        let lane = || Entries { entries: VecDeque::new(), limit: max_request };
        Outbox { regular: lane(), suspects: lane(), max_request, next_number: 0 }
    }

    /// Adds an event. It is a suspect from the start if some services cannot store it.
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
        self.lane_mut(lane).entries.push_back(entry);
    }

    /// Returns how many events both lanes hold.
    pub(crate) fn len(&self) -> usize {
        self.regular.entries.len() + self.suspects.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many events a lane holds.
    pub(super) fn count(&self, lane: Lane) -> usize {
        self.lane(lane).entries.len()
    }

    /// Returns the number of events on which the service failed alone.
    pub(super) fn failed(&self) -> usize {
        self.suspects().filter(|entry| entry.failures > 0).count()
    }

    /// Returns the first entry of a lane.
    pub(super) fn first(&self, lane: Lane) -> Option<&Entry> {
        self.lane(lane).entries.front()
    }

    /// Returns the suspects, in order.
    pub(super) fn suspects(&self) -> impl Iterator<Item = &Entry> {
        self.suspects.entries.iter()
    }

    /// Returns the texts of the suspects from the spool.
    pub(super) fn spooled_suspects(&self) -> Vec<&str> {
        let texts = self.suspects().filter_map(|entry| match &entry.event {
            OutgoingEvent::Spooled(event) => Some(event.json.as_str()),
            OutgoingEvent::Tracked(_) => None,
        });
        texts.collect()
    }

    /// Returns the most events in the next request from a lane.
    pub(super) fn limit(&self, lane: Lane) -> usize {
        self.lane(lane).limit
    }

    /// Limits the next request from a lane to half of `count` events.
    pub(super) fn shrink(&mut self, lane: Lane, count: usize) {
        self.lane_mut(lane).limit = (count / 2).max(1);
    }

    /// Doubles the limit of the next request from a lane.
    pub(super) fn grow(&mut self, lane: Lane) {
        let max_request = self.max_request;
        let lane = self.lane_mut(lane);
        lane.limit = lane.limit.saturating_mul(2).min(max_request);
    }

    /// Returns the body of a request with the first events of a lane, and their number: at most
    /// `count`, and as many as `max_bytes` can hold, but at least one.
    pub(crate) fn body(
        &self,
        lane: Lane,
        count: usize,
        max_bytes: usize,
        zoned: bool,
    ) -> (String, usize) {
        const END: &str = "]}";
        let mut body = r#"{"events":["#.to_owned();
        let mut held = 0;
        for entry in self.lane(lane).entries.iter().take(count) {
            let json = entry.event.json(zoned);
            if held > 0 {
                if body.len() + 1 + json.len() + END.len() > max_bytes {
                    break;
                }
                body.push(',');
            }
            body.push_str(&json);
            held += 1;
        }
        body.push_str(END);
        (body, held)
    }

    /// Removes and returns the first events of a lane.
    pub(super) fn take(&mut self, lane: Lane, count: usize) -> Vec<OutgoingEvent> {
        let entries = &mut self.lane_mut(lane).entries;
        entries.drain(..count.min(entries.len())).map(|entry| entry.event).collect()
    }

    /// Removes and returns the first entry of a lane.
    pub(super) fn take_first(&mut self, lane: Lane) -> Option<Entry> {
        self.lane_mut(lane).entries.pop_front()
    }

    /// Moves the last entry of a lane to its front, unless one that was moved is still there: the
    /// other entries keep their order.
    pub(super) fn move_last_to_front(&mut self, lane: Lane) {
        let entries = &mut self.lane_mut(lane).entries;
        if let (Some(first), Some(second)) = (entries.front(), entries.get(1))
            && first.number < second.number
        {
            entries.rotate_right(1);
        }
    }

    /// Adds an entry after all suspects.
    pub(super) fn push_suspect(&mut self, entry: Entry) {
        self.suspects.entries.push_back(entry);
    }

    /// Moves the suspects on which the service failed before the others.
    pub(super) fn sort_suspects(&mut self) {
        let entries = std::mem::take(&mut self.suspects.entries).into_iter();
        let (failed, untried) = entries.partition(|entry| entry.failures > 0);
        self.suspects.entries = failed;
        self.suspects.entries.extend::<VecDeque<Entry>>(untried);
    }

    /// Removes and returns all events, in the order of addition.
    pub(super) fn take_all(&mut self) -> Vec<OutgoingEvent> {
        let mut entries = std::mem::take(&mut self.regular.entries);
        entries.append(&mut self.suspects.entries);
        entries.make_contiguous().sort_by_key(|entry| entry.number);
        entries.into_iter().map(|entry| entry.event).collect()
    }

    fn lane(&self, lane: Lane) -> &Entries {
        match lane {
            Lane::Regular => &self.regular,
            Lane::Suspects => &self.suspects,
        }
    }

    fn lane_mut(&mut self, lane: Lane) -> &mut Entries {
        match lane {
            Lane::Regular => &mut self.regular,
            Lane::Suspects => &mut self.suspects,
        }
    }
}

#[cfg(test)]
impl Outbox {
    /// Returns the flag keys of a lane.
    pub(super) fn flags(&self, lane: Lane) -> Vec<String> {
        self.lane(lane).entries.iter().map(|entry| entry.event.flag_key()).collect()
    }
}
