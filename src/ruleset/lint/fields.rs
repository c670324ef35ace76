//! The fields that each object of a document may have.

/// Names that other services have for a field.
pub(super) const OTHER_NAMES: [(&str, &str); 10] = [
    ("active", "enabled"),
    ("disabled", "enabled"),
    ("variants", "variations"),
    ("variant", "variation"),
    ("serve", "variation"),
    ("when", "conditions"),
    ("attr", "attribute"),
    ("op", "operator"),
    ("percent", "percentage"),
    ("default_value", "default_variation"),
];

/// A kind of object in a document.
pub(super) struct Kind {
    pub(super) fields: &'static [FieldSpec],
    pub(super) part: Part,
}

/// What an object is, for reviews of its content.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Flag,
    /// It refers to a flag, a segment or a variation.
    Reference,
    Condition,
    Other,
}

/// A field that is known, whether or not it affects evaluation.
pub(super) struct FieldSpec {
    pub(super) name: &'static str,
    /// Whether it is suggested for a mistyped name.
    pub(super) suggested: bool,
    /// The kind of the objects in its list.
    pub(super) elements: Option<&'static Kind>,
    /// The kind of the object that it may be.
    pub(super) object: Option<&'static Kind>,
}

const fn field(name: &'static str) -> FieldSpec {
    FieldSpec { name, suggested: true, elements: None, object: None }
}

/// A name that is too short or too common to be suggested.
const fn unsuggested(name: &'static str) -> FieldSpec {
    FieldSpec { suggested: false, ..field(name) }
}

const fn list(name: &'static str, kind: &'static Kind) -> FieldSpec {
    FieldSpec { elements: Some(kind), ..field(name) }
}

/// The document, and the object in its `data`. Flags and segments are reviewed by themselves.
pub(super) static ROOT: Kind = Kind {
    fields: &[
        unsuggested("data"),
        field("flags"),
        field("segments"),
        field("version"),
        field("environment_id"),
        field("fetched_at"),
        field("generated_at"),
        field("signature"),
        unsuggested("$schema"),
    ],
    part: Part::Other,
};

pub(super) static FLAG: Kind = Kind {
    fields: &[
        unsuggested("id"),
        field("key"),
        field("name"),
        field("description"),
        field("flag_type"),
        field("enabled"),
        field("status"),
        field("environment"),
        field("default_variation"),
        field("default_variation_id"),
        field("default_variation_key"),
        list("variations", &VARIATION),
        list("prerequisites", &PREREQUISITE),
        list("targeting_rules", &RULE),
        field("tags"),
    ],
    part: Part::Flag,
};

pub(super) static SEGMENT: Kind = Kind {
    fields: &[
        unsuggested("id"),
        field("key"),
        field("name"),
        field("description"),
        list("conditions", &CONDITION),
    ],
    part: Part::Other,
};

static VARIATION: Kind = Kind {
    fields: &[unsuggested("id"), field("key"), field("name"), field("description"), field("value")],
    part: Part::Other,
};

static PREREQUISITE: Kind = Kind {
    fields: &[unsuggested("id"), field("flag_key"), field("variation_key")],
    part: Part::Reference,
};

static RULE: Kind = Kind {
    fields: &[
        unsuggested("id"),
        field("name"),
        field("description"),
        field("priority"),
        list("conditions", &CONDITION),
        field("segment_id"),
        field("variation"),
        field("variation_id"),
        FieldSpec { object: Some(&ROLLOUT), ..list("percentage_rollout", &ENTRY) },
    ],
    part: Part::Reference,
};

static ROLLOUT: Kind = Kind { fields: &[list("variations", &ENTRY)], part: Part::Other };

static ENTRY: Kind = Kind {
    fields: &[
        unsuggested("id"),
        field("variation"),
        field("variation_id"),
        field("percentage"),
        field("weight"),
    ],
    part: Part::Reference,
};

static CONDITION: Kind = Kind {
    fields: &[
        unsuggested("id"),
        field("attribute"),
        field("operator"),
        field("value"),
        field("values"),
    ],
    part: Part::Condition,
};
