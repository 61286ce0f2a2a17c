//! Links: bridges and veth pairs.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    BridgeStpState, InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind,
    InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};

use super::Route;
use crate::error::{Error, Result};

/// A link as the kernel tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// `bridge`, `veth`, ...
    pub(crate) kind: String,
    pub(crate) mtu: u32,
    pub(crate) up: bool,
    /// The index of the bridge it is a port of.
    pub(crate) master: Option<u32>,
}

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MacAddr(pub(crate) [u8; 6]);

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A veth pair to be: one end a port of a bridge here, the other inside a namespace.
pub(crate) struct Veth<'a> {
    pub(crate) host_name: &'a str,
    pub(crate) bridge: &'a Link,
    pub(crate) netns: &'a OwnedFd,
    pub(crate) name: &'a str,
    pub(crate) mac: MacAddr,
    pub(crate) mtu: u32,
}

impl Route {
    /// The link of this name, if there is one.
    pub(crate) fn link(&mut self, name: &str) -> Result<Option<Link>> {
        match self.get(RouteNetlinkMessage::GetLink(by_name(name))) {
            Ok(answer) => Ok(answer.and_then(read_link)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(Error::system("look up link", name)(error)),
        }
    }

    /// Every link of the namespace.
    pub(crate) fn links(&mut self) -> Result<Vec<Link>> {
        let answers = self
            .dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))
            .map_err(Error::system("list", "links"))?;
        Ok(answers.into_iter().filter_map(read_link).collect())
    }

    /// Makes a bridge, which is not up yet. It forwards from the first frame (no spanning tree, no delay).
    pub(crate) fn create_bridge(&mut self, name: &str, mac: MacAddr, mtu: u32) -> Result<()> {
        let mut message = by_name(name);
        message
            .attributes
            .push(LinkAttribute::Address(mac.0.to_vec()));
        message.attributes.push(LinkAttribute::Mtu(mtu));
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Bridge),
            LinkInfo::Data(InfoData::Bridge(vec![
                InfoBridge::ForwardDelay(0),
                InfoBridge::StpState(BridgeStpState::Disabled),
            ])),
        ]));
        self.apply(
            RouteNetlinkMessage::NewLink(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
        .map_err(Error::system("create bridge", name))
    }

    /// Makes a veth pair: one end up and a port of the bridge, the other *created* in the namespace (to move it there
    /// afterwards costs the kernel several grace periods) and still down, since it is made first and has no peer yet.
    pub(crate) fn create_veth(&mut self, veth: &Veth<'_>) -> Result<()> {
        let mut peer = by_name(veth.name);
        peer.attributes
            .push(LinkAttribute::NetNsFd(veth.netns.as_raw_fd()));
        peer.attributes
            .push(LinkAttribute::Address(veth.mac.0.to_vec()));
        peer.attributes.push(LinkAttribute::Mtu(veth.mtu));

        let mut message = by_name(veth.host_name);
        set_flags(&mut message, LinkFlags::Up);
        message.attributes.push(LinkAttribute::Mtu(veth.mtu));
        message
            .attributes
            .push(LinkAttribute::Controller(veth.bridge.index));
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        self.apply(
            RouteNetlinkMessage::NewLink(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
        .map_err(Error::system(
            "create veth pair",
            format_args!("{} and {}", veth.host_name, veth.name),
        ))
    }

    /// Lets a bridge send a frame back out of the port it came in by.
    pub(crate) fn set_hairpin(&mut self, port: &str) -> Result<()> {
        let mut message = by_name(port);
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(
                true,
            )])),
        ]));
        self.apply(RouteNetlinkMessage::NewLink(message), 0)
            .map_err(Error::system("set hairpin mode of", port))
    }

    /// Brings a link up.
    pub(crate) fn set_up(&mut self, name: &str) -> Result<()> {
        let mut message = by_name(name);
        set_flags(&mut message, LinkFlags::Up);
        self.apply(RouteNetlinkMessage::NewLink(message), 0)
            .map_err(Error::system("bring up link", name))
    }

    /// Deletes a link (with it the other end of a pair); one that is gone is well gone.
    pub(crate) fn delete_link(&mut self, name: &str) -> Result<()> {
        match self.apply(RouteNetlinkMessage::DelLink(by_name(name)), 0) {
            Err(error) if !is_gone(&error) => Err(Error::system("delete link", name)(error)),
            _ => Ok(()),
        }
    }
}

fn by_name(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::IfName(name.to_owned()));
    message
}

fn set_flags(message: &mut LinkMessage, flags: LinkFlags) {
    message.header.flags = flags;
    message.header.change_mask = flags;
}

fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENODEV)
}

fn read_link(message: RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(message) = message else {
        return None;
    };
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        kind: String::new(),
        mtu: 0,
        up: message.header.flags.contains(LinkFlags::Up),
        master: None,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Controller(index) => link.master = Some(index),
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    if let LinkInfo::Kind(kind) = info {
                        link.kind = kind.to_string();
                    }
                }
            }
            _ => {}
        }
    }
    Some(link)
}
