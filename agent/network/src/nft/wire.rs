//! Packing: netlink attributes and nf_tables messages in one batch (`linux/netfilter/nfnetlink.h`).

use std::ops::Range;

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
/// `NLM_F_DUMP`.
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_CREATE`.
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`, which puts a rule last in its chain.
pub(crate) const APPEND: u16 = 0x800;
const NLA_F_NESTED: u16 = 0x8000;

/// `NFPROTO_IPV4`: our table's family.
pub(crate) const FAMILY_IP: u8 = 2;
/// `NFPROTO_BRIDGE`: that of a switch's table.
pub(crate) const FAMILY_BRIDGE: u8 = 7;

/// The nf_tables messages in use (`enum nf_tables_msg_types`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Kind {
    NewTable = 0,
    GetTable = 1,
    DelTable = 2,
    NewChain = 3,
    GetChain = 4,
    NewRule = 6,
    NewSet = 9,
    NewSetElem = 12,
    GetSetElem = 13,
    DelSetElem = 14,
}

impl Kind {
    pub(crate) fn message_type(self) -> u16 {
        SUBSYSTEM << 8 | self as u16
    }
}

/// A growing buffer of attributes; numbers go big-endian, as nf_tables has them.
#[derive(Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) bytes: Vec<u8>,
}

impl Attributes {
    pub(crate) fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(4 + value.len()).expect("an attribute of ours fits 64 KiB");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    pub(crate) fn put_u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// A string with its closing zero.
    pub(crate) fn put_str(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes)
    }

    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Attributes)) -> &mut Self {
        let mut inner = Attributes::default();
        fill(&mut inner);
        self.put(kind | NLA_F_NESTED, &inner.bytes)
    }
}

/// Walks over the attributes of a received message.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?) & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Messages that take effect together or not at all.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) family: u8,
    sequence: u32,
    /// What each message is about, for errors: (sequence number, words).
    pub(crate) subjects: Vec<(u32, String)>,
}

impl Batch {
    /// A batch about our family.
    pub(crate) fn new() -> Batch {
        Batch::about(FAMILY_IP)
    }

    /// A batch about tables of this family.
    pub(crate) fn about(family: u8) -> Batch {
        let mut batch = Batch {
            bytes: Vec::new(),
            family,
            sequence: 0,
            subjects: Vec::new(),
        };
        batch.message(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, 0, SUBSYSTEM, &[]);
        batch
    }

    /// Adds a message about the family; the first one asks to be acknowledged, which says that all took effect.
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        flags: u16,
        subject: impl Into<String>,
        fill: impl FnOnce(&mut Attributes),
    ) {
        let acknowledge = if self.subjects.is_empty() {
            NLM_F_ACK
        } else {
            0
        };
        let mut attributes = Attributes::default();
        fill(&mut attributes);
        let flags = NLM_F_REQUEST | acknowledge | flags;
        let family = self.family;
        let sequence = self.message(kind.message_type(), flags, family, 0, &attributes.bytes);
        self.subjects.push((sequence, subject.into()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// Closes the batch.
    pub(crate) fn finish(mut self) -> Batch {
        self.message(NFNL_MSG_BATCH_END, NLM_F_REQUEST, 0, SUBSYSTEM, &[]);
        self
    }

    fn message(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        resource: u16,
        attributes: &[u8],
    ) -> u32 {
        self.sequence += 1;
        write_message(
            &mut self.bytes,
            kind,
            flags,
            self.sequence,
            family,
            resource,
            attributes,
        );
        self.sequence
    }
}

/// One message outside of a batch, e.g. a question. `family` 0 means every family.
pub(crate) fn request(kind: Kind, flags: u16, family: u8, attributes: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_message(
        &mut bytes,
        kind.message_type(),
        NLM_F_REQUEST | flags,
        1,
        family,
        0,
        attributes,
    );
    bytes
}

/// Where the attributes of a received nf_tables message are: after `nlmsghdr` and `nfgenmsg`.
pub(crate) const PAYLOAD: Range<usize> = 20..usize::MAX;

pub(crate) fn write_message(
    out: &mut Vec<u8>,
    kind: u16,
    flags: u16,
    sequence: u32,
    family: u8,
    resource: u16,
    attributes: &[u8],
) {
    let length = u32::try_from(20 + attributes.len()).expect("a message of ours is small");
    out.extend_from_slice(&length.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&sequence.to_ne_bytes());
    out.extend_from_slice(&0u32.to_ne_bytes());
    out.push(family);
    out.push(0);
    out.extend_from_slice(&resource.to_be_bytes());
    out.extend_from_slice(attributes);
}
