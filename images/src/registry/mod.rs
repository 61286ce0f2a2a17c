//! A registry's client (distribution-spec).
