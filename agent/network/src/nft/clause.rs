//! The parts of a rule: what is matched, what is done. Each has a text and an encoding as kernel expressions.

use std::fmt;

use ipnet::Ipv4Net;

use super::wire::{Attributes, FAMILY_IP};

/// One part of a rule, in the order they are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Clause {
    /// The link it came in by has (or has not) this name.
    InLink(Is, String),
    /// The link it leaves by has (or has not) this name.
    OutLink(Is, String),
    /// The link it came in by is in a set of names.
    InLinkIn(&'static str),
    /// The link it leaves by is in a set of names.
    OutLinkIn(&'static str),
    /// The pair of both links is in a set.
    LinksIn(&'static str),
    /// The frame carries an IPv4 packet.
    Ipv4,
    /// The source address lies in a subnet.
    Source(Ipv4Net),
    /// The destination address lies in a subnet.
    Destination(Ipv4Net),
    /// The destination is an address of this host.
    DestinationLocal,
    /// The connection is known, or belongs to one that is.
    Established,
    /// Connection tracking can make nothing of the packet.
    Untrackable,
    /// The connection's destination was (or was not) translated.
    Translated(bool),
    /// Translate the destination to what a map says of `address . protocol . port`.
    ToAddressAndPortOf(&'static str),
    /// Translate the destination to what a map says of `protocol . port`.
    ToPortOf(&'static str),
    /// Take on the address of the link it leaves by.
    Masquerade,
    /// Go on in another chain, and come back.
    Jump(&'static str),
    /// Let it pass.
    Accept,
    /// Let it not pass.
    Drop,
}

/// Whether a comparison has to hold or to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Is {
    /// Equal.
    Same,
    /// Not equal.
    Other,
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Clause::InLink(is, name) => write!(f, "iifname {is}{name:?}"),
            Clause::OutLink(is, name) => write!(f, "oifname {is}{name:?}"),
            Clause::InLinkIn(set) => write!(f, "iifname @{set}"),
            Clause::OutLinkIn(set) => write!(f, "oifname @{set}"),
            Clause::LinksIn(set) => write!(f, "iifname . oifname @{set}"),
            Clause::Ipv4 => f.write_str("meta protocol ip"),
            Clause::Source(net) => write!(f, "ip saddr {net}"),
            Clause::Destination(net) => write!(f, "ip daddr {net}"),
            Clause::DestinationLocal => f.write_str("fib daddr type local"),
            Clause::Established => f.write_str("ct state established,related"),
            Clause::Untrackable => f.write_str("ct state invalid"),
            Clause::Translated(true) => f.write_str("ct status dnat"),
            Clause::Translated(false) => f.write_str("ct status ! dnat"),
            Clause::ToAddressAndPortOf(map) => {
                write!(f, "dnat to ip daddr . meta l4proto . th dport map @{map}")
            }
            Clause::ToPortOf(map) => write!(f, "dnat to meta l4proto . th dport map @{map}"),
            Clause::Masquerade => f.write_str("masquerade"),
            Clause::Jump(chain) => write!(f, "jump {chain}"),
            Clause::Accept => f.write_str("accept"),
            Clause::Drop => f.write_str("drop"),
        }
    }
}

impl fmt::Display for Is {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Is::Same => "",
            Is::Other => "!= ",
        })
    }
}

impl Clause {
    /// Appends the clause's expressions to a rule's list.
    pub(crate) fn encode(&self, rule: &mut Expressions) {
        match self {
            Clause::InLink(is, name) => rule.meta(META_IIFNAME, 0).compare(*is, &link_name(name)),
            Clause::OutLink(is, name) => rule.meta(META_OIFNAME, 0).compare(*is, &link_name(name)),
            Clause::InLinkIn(set) => rule.meta(META_IIFNAME, 0).lookup(set, None),
            Clause::OutLinkIn(set) => rule.meta(META_OIFNAME, 0).lookup(set, None),
            Clause::LinksIn(set) => rule
                .meta(META_IIFNAME, 0)
                .meta(META_OIFNAME, 4)
                .lookup(set, None),
            Clause::Ipv4 => rule
                .meta(META_PROTOCOL, 0)
                .compare(Is::Same, &ETH_P_IP.to_be_bytes()),
            Clause::Source(net) => rule.payload(NETWORK_HEADER, 12, 4, 0).in_subnet(net),
            Clause::Destination(net) => rule.payload(NETWORK_HEADER, 16, 4, 0).in_subnet(net),
            Clause::DestinationLocal => rule
                .destination_type()
                .compare(Is::Same, &RTN_LOCAL.to_ne_bytes()),
            Clause::Established => rule
                .ct(CT_STATE)
                .has_bit(STATE_ESTABLISHED | STATE_RELATED, true),
            Clause::Untrackable => rule.ct(CT_STATE).has_bit(STATE_INVALID, true),
            Clause::Translated(yes) => rule.ct(CT_STATUS).has_bit(IPS_DST_NAT, *yes),
            Clause::ToAddressAndPortOf(map) => rule
                .payload(NETWORK_HEADER, 16, 4, 0)
                .meta(META_L4PROTO, 1)
                .payload(TRANSPORT_HEADER, 2, 2, 2)
                .lookup(map, Some(0))
                .translate_destination(),
            Clause::ToPortOf(map) => rule
                .meta(META_L4PROTO, 0)
                .payload(TRANSPORT_HEADER, 2, 2, 1)
                .lookup(map, Some(0))
                .translate_destination(),
            Clause::Masquerade => rule.add("masq", |_| {}),
            Clause::Jump(chain) => rule.verdict(NFT_JUMP, Some(chain)),
            Clause::Accept => rule.verdict(NF_ACCEPT, None),
            Clause::Drop => rule.verdict(NF_DROP, None),
        };
    }
}

/// A link's name as the kernel compares it: 16 bytes, filled up with zeros.
pub(crate) fn link_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    bytes
}

// linux/netfilter/nf_tables.h
const META_PROTOCOL: u32 = 1;
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_L4PROTO: u32 = 16;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const CT_STATE: u32 = 0;
const CT_STATUS: u32 = 2;
const FIB_RESULT_ADDRTYPE: u32 = 3;
const FIB_F_DADDR: u32 = 2;
const NAT_DNAT: u32 = 1;
const NFT_JUMP: i32 = -3;
const NF_DROP: i32 = 0;
const NF_ACCEPT: i32 = 1;
// linux/netfilter/nf_conntrack_common.h
const STATE_INVALID: u32 = 1;
const STATE_ESTABLISHED: u32 = 1 << 1;
const STATE_RELATED: u32 = 1 << 2;
const IPS_DST_NAT: u32 = 1 << 5;
// linux/if_ether.h
const ETH_P_IP: u16 = 0x0800;
// linux/rtnetlink.h
const RTN_LOCAL: u32 = 2;

/// `NFT_REG32_00`: the first of sixteen registers of 4 bytes. `NFT_REG_VERDICT` is 0.
const REGISTERS: u32 = 8;

const EXPR_NAME: u16 = 1;
const EXPR_DATA: u16 = 2;
const LIST_ELEM: u16 = 1;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;

/// A rule's list of expressions. Registers are counted in words of 4 bytes from 0.
#[derive(Debug, Default)]
pub(crate) struct Expressions {
    pub(crate) list: Attributes,
}

impl Expressions {
    fn add(&mut self, name: &str, fill: impl FnOnce(&mut Attributes)) -> &mut Self {
        self.list.nest(LIST_ELEM, |element| {
            element.put_str(EXPR_NAME, name).nest(EXPR_DATA, fill);
        });
        self
    }

    fn meta(&mut self, key: u32, register: u32) -> &mut Self {
        self.add("meta", |a| {
            a.put_u32(2, key).put_u32(1, REGISTERS + register);
        })
    }

    fn payload(&mut self, base: u32, offset: u32, length: u32, register: u32) -> &mut Self {
        self.add("payload", |a| {
            a.put_u32(1, REGISTERS + register)
                .put_u32(2, base)
                .put_u32(3, offset)
                .put_u32(4, length);
        })
    }

    fn ct(&mut self, key: u32) -> &mut Self {
        self.add("ct", |a| {
            a.put_u32(2, key).put_u32(1, REGISTERS);
        })
    }

    fn destination_type(&mut self) -> &mut Self {
        self.add("fib", |a| {
            a.put_u32(1, REGISTERS)
                .put_u32(2, FIB_RESULT_ADDRTYPE)
                .put_u32(3, FIB_F_DADDR);
        })
    }

    fn compare(&mut self, is: Is, value: &[u8]) -> &mut Self {
        self.add("cmp", |a| {
            a.put_u32(1, REGISTERS)
                .put_u32(2, is as u32)
                .nest(3, |data| {
                    data.put(DATA_VALUE, value);
                });
        })
    }

    fn mask(&mut self, mask: &[u8; 4]) -> &mut Self {
        self.add("bitwise", |a| {
            a.put_u32(1, REGISTERS).put_u32(2, REGISTERS).put_u32(3, 4);
            a.nest(4, |data| {
                data.put(DATA_VALUE, mask);
            });
            a.nest(5, |data| {
                data.put(DATA_VALUE, &[0; 4]);
            });
        })
    }

    fn in_subnet(&mut self, net: &Ipv4Net) -> &mut Self {
        self.mask(&net.netmask().octets())
            .compare(Is::Same, &net.network().octets())
    }

    fn has_bit(&mut self, bits: u32, set: bool) -> &mut Self {
        self.mask(&bits.to_ne_bytes())
            .compare(if set { Is::Other } else { Is::Same }, &[0; 4])
    }

    fn lookup(&mut self, set: &str, into: Option<u32>) -> &mut Self {
        self.add("lookup", |a| {
            a.put_str(1, set).put_u32(2, REGISTERS);
            if let Some(register) = into {
                a.put_u32(3, REGISTERS + register);
            }
        })
    }

    /// To the address in the first register and the port in the second.
    fn translate_destination(&mut self) -> &mut Self {
        self.add("nat", |a| {
            a.put_u32(1, NAT_DNAT).put_u32(2, u32::from(FAMILY_IP));
            a.put_u32(3, REGISTERS).put_u32(5, REGISTERS + 1);
        })
    }

    fn verdict(&mut self, code: i32, chain: Option<&str>) -> &mut Self {
        self.add("immediate", |a| {
            a.put_u32(1, 0).nest(2, |data| {
                data.nest(DATA_VERDICT, |verdict| {
                    verdict.put(1, &code.to_be_bytes());
                    if let Some(chain) = chain {
                        verdict.put_str(2, chain);
                    }
                });
            });
        })
    }
}
