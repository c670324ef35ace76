//! Generates rulesets from few names.

use ::arbitrary::{Result, Unstructured};

use super::arbitrary::{ATTRIBUTES, scalar};
use crate::ruleset::OPERATORS;
use crate::value::{Object, Value};

/// The faults that a ruleset may have; each kind includes those before it.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum Faults {
    None,
    /// References that name nothing, cycles, repeated keys, and operators that cannot use their
    /// targets.
    References,
    /// Rarely, a part of another type.
    Types,
}

const FLAGS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

const VARIATIONS: [&str; 4] = ["on", "off", "x", "y"];

const SEGMENTS: [&str; 3] = ["s", "t", "r"];

const PATTERNS: [&str; 4] = ["^p", "\\d+", "(?i)PRO", ".*r"];

const VERSIONS: [&str; 4] = ["1.2.3", "v1.2.3-rc.1", "1.10", "2"];

/// Which names a document uses.
#[derive(Clone, Copy, PartialEq)]
enum Dialect {
    Keys,
    Ids,
    Mixed,
}

/// Generates one ruleset.
pub(super) struct RulesetMaker<'a, 'b> {
    u: &'b mut Unstructured<'a>,
    faults: Faults,
    dialect: Dialect,
    /// The number of variations of each flag so far.
    variations: Vec<usize>,
    segments: usize,
}

impl<'a, 'b> RulesetMaker<'a, 'b> {
    pub(super) fn new(u: &'b mut Unstructured<'a>, faults: Faults) -> RulesetMaker<'a, 'b> {
        let (dialect, variations) = (Dialect::Mixed, Vec::new());
        RulesetMaker { u, faults, dialect, variations, segments: 0 }
    }

    /// Returns a ruleset in one of the dialects.
    pub(super) fn ruleset(&mut self) -> Result<Value> {
        self.dialect = *self.u.choose(&[Dialect::Keys, Dialect::Ids, Dialect::Mixed])?;
        self.segments = self.u.int_in_range(0..=SEGMENTS.len())?;
        let segments = self.list(self.segments, Self::segment)?;
        let count = self.u.int_in_range(0..=FLAGS.len())?;
        let flags = Value::from(self.elements(count, Self::flag)?);
        let mut document = vec![("flags", flags), ("segments", segments)];
        if self.u.ratio(1, 4)? {
            document.push(("version", Value::from(self.u.arbitrary::<u32>()?)));
        }
        let wrapped = match self.dialect {
            Dialect::Keys => true,
            Dialect::Ids => false,
            Dialect::Mixed => self.u.arbitrary()?,
        };
        let document = object(document);
        Ok(if wrapped { object([("data", document)]) } else { document })
    }

    fn flag(&mut self, position: usize) -> Result<Value> {
        let key = self.key(position, &FLAGS)?;
        let count = self.u.int_in_range(1..=VARIATIONS.len())?;
        self.variations.push(count);
        let mut flag = vec![("key", key), ("variations", self.list(count, Self::variation)?)];
        if self.u.ratio(1, 8)? {
            flag.push(("enabled", Value::from(self.u.arbitrary::<bool>()?)));
        }
        if self.u.ratio(1, 8)? {
            flag.push(("status", self.name(&["active", "archived"])?));
        }
        if self.u.ratio(1, 4)? {
            flag.push(("environment", self.name(&["production", "staging", ""])?));
        }
        if self.u.ratio(1, 3)? && (position > 0 || self.may_dangle()) {
            let count = self.u.int_in_range(0..=2)?;
            flag.push(("prerequisites", self.list(count, Self::prerequisite)?));
        }
        let rules = self.u.int_in_range(0..=4)?;
        flag.push(("targeting_rules", self.list(rules, Self::rule)?));
        if self.u.ratio(7, 8)? || !self.may_dangle() {
            let by_key = ["default_variation", "default_variation_key"];
            flag.push(self.reference(&by_key, &["default_variation_id"])?);
        }
        if self.u.ratio(1, 16)? && self.may_dangle() {
            flag.push(("default_variation_key", self.name(&VARIATIONS)?));
        }
        self.or_fault(object(flag))
    }

    fn variation(&mut self, position: usize) -> Result<Value> {
        let mut variation = Vec::new();
        if self.u.ratio(7, 8)? || !self.may_dangle() {
            variation.push(("key", self.key(position, &VARIATIONS)?));
        }
        if self.dialect != Dialect::Keys && (self.u.ratio(3, 4)? || !self.may_dangle()) {
            let id = match self.may_dangle() {
                // An id may be the key of another variation.
                true => self.name(&["on", "off", "id-on", "id-off", "id-x"])?,
                false => Value::from(format!("id-{}", VARIATIONS.get(position).unwrap_or(&""))),
            };
            variation.push(("id", id));
        }
        if self.u.ratio(7, 8)? {
            let value = match self.u.ratio(1, 8)? {
                true => self.u.arbitrary()?,
                false => scalar(self.u)?,
            };
            variation.push(("value", value));
        }
        self.or_fault(object(variation))
    }

    fn prerequisite(&mut self, _: usize) -> Result<Value> {
        let (flag, variation) = match self.may_dangle() {
            true => {
                let flag = self.u.choose(&FLAGS)?;
                let flag = if self.u.ratio(1, 16)? { "gone" } else { flag };
                (flag, *self.u.choose(&VARIATIONS)?)
            }
            // An earlier flag, so that there are no cycles.
            false => {
                let last = self.variations.len().saturating_sub(2);
                let flag = self.u.int_in_range(0..=last)?;
                let count = self.variations.get(flag).copied().unwrap_or(1);
                let variation = self.u.int_in_range(0..=count - 1)?;
                let name = |names: &[&'static str], at| names.get(at).copied().unwrap_or("");
                (name(&FLAGS, flag), name(&VARIATIONS, variation))
            }
        };
        let (flag, variation) = (self.text(flag)?, self.text(variation)?);
        self.or_fault(object([("flag_key", flag), ("variation_key", variation)]))
    }

    fn rule(&mut self, _: usize) -> Result<Value> {
        let conditions = self.u.int_in_range(0..=2)?;
        let mut rule = vec![("conditions", self.list(conditions, Self::condition)?)];
        if self.u.ratio(1, 2)? {
            let priority = self.u.int_in_range(-2..=2)?;
            rule.push(("priority", Value::from(f64::from(priority) / 2.0)));
        }
        if self.u.ratio(1, 4)? {
            rule.extend(self.segment_reference()?.map(|segment| ("segment_id", segment)));
        }
        let serves_variation = self.u.ratio(1, 2)?;
        if serves_variation {
            rule.push(self.reference(&["variation"], &["variation_id"])?);
        }
        if self.u.ratio(1, 2)? {
            let count = self.u.int_in_range(0..=4)?;
            let entries = self.list(count, Self::entry)?;
            let is_list = match self.dialect {
                Dialect::Keys => true,
                Dialect::Ids => false,
                Dialect::Mixed => self.u.arbitrary()?,
            };
            let rollout = if is_list { entries } else { object([("variations", entries)]) };
            rule.push(("percentage_rollout", rollout));
        }
        self.or_fault(object(rule))
    }

    fn segment_reference(&mut self) -> Result<Option<Value>> {
        if self.may_dangle() {
            return self.name(&["s", "t", "r", "gone", ""]).map(Some);
        }
        match self.segments {
            0 => Ok(None),
            count => {
                let position = self.u.int_in_range(0..=count - 1)?;
                Ok(SEGMENTS.get(position).copied().map(Value::from))
            }
        }
    }

    fn entry(&mut self, _: usize) -> Result<Value> {
        let weight = f64::from(self.u.int_in_range(0..=300)?) / 4.0;
        let name = match self.dialect {
            Dialect::Keys => "percentage",
            Dialect::Ids => "weight",
            Dialect::Mixed => self.u.choose(&["weight", "percentage"])?,
        };
        let reference = self.reference(&["variation"], &["variation_id"])?;
        self.or_fault(object([(name, Value::from(weight)), reference]))
    }

    fn segment(&mut self, position: usize) -> Result<Value> {
        let conditions = self.u.int_in_range(0..=2)?;
        let mut segment = vec![("conditions", self.list(conditions, Self::condition)?)];
        let has_id = self.u.ratio(3, 4)?;
        if has_id {
            segment.push(("id", self.key(position, &SEGMENTS)?));
        }
        if self.u.ratio(3, 4)? || (!has_id && !self.may_dangle()) {
            segment.push(("key", self.key(position, &SEGMENTS)?));
        }
        self.or_fault(object(segment))
    }

    fn condition(&mut self, _: usize) -> Result<Value> {
        let others = ["user_id", "session_id", "missing"];
        let attributes: Vec<_> = ATTRIBUTES.into_iter().chain(others).collect();
        let attribute = self.name(&attributes)?;
        let is_unknown = self.may_dangle() && self.u.ratio(1, 12)?;
        let operator = if is_unknown { "unheard_of" } else { *self.u.choose(&OPERATORS)? };
        let target = self.target(operator)?;
        let operator = self.text(operator)?;
        let mut condition = vec![("attribute", attribute), ("operator", operator)];
        match self.u.int_in_range(0..=7)? {
            0 if self.may_dangle() => {
                condition.extend([("value", target), ("values", scalar(self.u)?)]);
            }
            1 => condition.push(("values", target)),
            _ => condition.push(("value", target)),
        }
        self.or_fault(object(condition))
    }

    /// Returns a target that the operator can use, unless it may be any.
    fn target(&mut self, operator: &str) -> Result<Value> {
        let is_any = self.may_dangle() && self.u.ratio(1, 3)?;
        match operator {
            "matches_regex" => {
                // A pattern that no version of the library supports.
                let is_broken = self.may_dangle() && self.u.ratio(1, 4)?;
                let patterns: &[&str] = if is_broken { &["(", "(?=a)"] } else { &PATTERNS };
                Ok(Value::from(*self.u.choose(patterns)?))
            }
            _ if is_any => Ok(match self.u.int_in_range(0..=4)? {
                0 => Value::Null,
                1 => self.list(12, |maker, _| scalar(maker.u))?,
                2 => Value::from(self.u.arbitrary::<&str>()?),
                3 => self.u.arbitrary()?,
                _ => scalar(self.u)?,
            }),
            "version_gt" | "version_lt" => Ok(Value::from(*self.u.choose(&VERSIONS)?)),
            "one_of" | "not_one_of" if self.u.ratio(2, 3)? => {
                let count = self.u.int_in_range(0..=12)?;
                self.list(count, |maker, _| scalar(maker.u))
            }
            "gt" | "lt" => Ok(Value::from(self.u.arbitrary::<i32>()?)),
            _ => scalar(self.u),
        }
    }

    /// Returns a reference to a variation of the current flag, with its name.
    fn reference(
        &mut self,
        by_key: &[&'static str],
        by_id: &[&'static str],
    ) -> Result<(&'static str, Value)> {
        let is_key = match self.dialect {
            Dialect::Keys => true,
            Dialect::Ids => false,
            Dialect::Mixed => self.u.arbitrary()?,
        };
        let name = *self.u.choose(if is_key { by_key } else { by_id })?;
        if self.may_dangle() {
            let names = ["on", "off", "x", "id-on", "id-off", "gone", ""];
            return Ok((name, self.name(&names)?));
        }
        let count = self.variations.last().copied().unwrap_or(1);
        let variation = self.u.choose(VARIATIONS.get(..count).unwrap_or(&VARIATIONS))?;
        let text = if is_key { (*variation).to_owned() } else { format!("id-{variation}") };
        Ok((name, Value::from(text)))
    }

    /// Returns the name of a part at a position; any name if keys may repeat.
    fn key(&mut self, position: usize, names: &[&str]) -> Result<Value> {
        match names.get(position) {
            Some(name) if !self.may_dangle() => Ok(Value::from(*name)),
            _ => self.name(names),
        }
    }

    fn name(&mut self, names: &[&str]) -> Result<Value> {
        let name = *self.u.choose(names)?;
        self.text(name)
    }

    fn text(&mut self, text: &str) -> Result<Value> {
        self.or_fault(Value::from(text))
    }

    fn list(&mut self, count: usize, one: fn(&mut Self, usize) -> Result<Value>) -> Result<Value> {
        let elements = self.elements(count, one)?;
        self.or_fault(elements.into())
    }

    fn elements(
        &mut self,
        count: usize,
        one: fn(&mut Self, usize) -> Result<Value>,
    ) -> Result<Vec<Value>> {
        (0..count).map(|position| one(self, position)).collect()
    }

    fn may_dangle(&self) -> bool {
        self.faults >= Faults::References
    }

    /// Returns the value, or rarely a malformed one.
    fn or_fault(&mut self, value: Value) -> Result<Value> {
        if self.faults < Faults::Types || !self.u.ratio(1, 60)? {
            return Ok(value);
        }
        Ok(match self.u.int_in_range(0..=5)? {
            0 => Value::Null,
            1 => Value::from(true),
            2 => Value::from(-1),
            3 => Value::from("fault"),
            4 => Value::from([Value::Null]),
            _ => object([("fault", value)]),
        })
    }
}

fn object(members: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::from(members.into_iter().collect::<Object>())
}
