//! Addresses and IPv4 routes.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Link, Route};
use crate::error::{Error, Result};

/// A unicast IPv4 route of the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostRoute {
    pub(crate) destination: Ipv4Net,
    /// The index of the link it leaves by.
    pub(crate) link: Option<u32>,
    pub(crate) metric: u32,
}

impl Route {
    /// Gives a link an address; one that it has already stays.
    pub(crate) fn add_address(
        &mut self,
        link: &Link,
        address: Ipv4Addr,
        prefix_len: u8,
    ) -> Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = prefix_len;
        message.header.scope = AddressScope::Universe;
        message.header.index = link.index;
        message
            .attributes
            .push(AddressAttribute::Local(IpAddr::V4(address)));
        message
            .attributes
            .push(AddressAttribute::Address(IpAddr::V4(address)));
        if let Ok(net) = Ipv4Net::new(address, prefix_len)
            && prefix_len < 31
        {
            message
                .attributes
                .push(AddressAttribute::Broadcast(net.broadcast()));
        }
        self.apply(
            RouteNetlinkMessage::NewAddress(message),
            NLM_F_CREATE | NLM_F_REPLACE,
        )
        .map_err(Error::system(
            "add address",
            format_args!("{address}/{prefix_len} to link {}", link.name),
        ))
    }

    /// Adds the default route, unless the namespace has one.
    pub(crate) fn add_default_route(&mut self, gateway: Ipv4Addr) -> Result<()> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Boot;
        message.header.scope = RouteScope::Universe;
        message.header.kind = RouteType::Unicast;
        message
            .attributes
            .push(RouteAttribute::Gateway(RouteAddress::Inet(gateway)));
        match self.apply(
            RouteNetlinkMessage::NewRoute(message),
            NLM_F_CREATE | NLM_F_EXCL,
        ) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            other => other.map_err(Error::system("add default route via", gateway)),
        }
    }

    /// Every IPv4 unicast route of every table.
    pub(crate) fn routes(&mut self) -> Result<Vec<HostRoute>> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        let answers = self
            .dump(RouteNetlinkMessage::GetRoute(message))
            .map_err(Error::system("list", "routes"))?;
        Ok(answers.into_iter().filter_map(read_route).collect())
    }

    /// The MTU of the link that the default route leaves by, in bytes.
    pub(crate) fn default_route_mtu(&mut self) -> Result<Option<u32>> {
        let default = self
            .routes()?
            .into_iter()
            .filter(|r| r.destination.prefix_len() == 0);
        let Some(index) = default.min_by_key(|r| r.metric).and_then(|r| r.link) else {
            return Ok(None);
        };
        Ok(self
            .links()?
            .into_iter()
            .find(|link| link.index == index)
            .map(|link| link.mtu))
    }
}

fn read_route(message: RouteNetlinkMessage) -> Option<HostRoute> {
    let RouteNetlinkMessage::NewRoute(message) = message else {
        return None;
    };
    if message.header.kind != RouteType::Unicast {
        return None;
    }
    let mut destination = Ipv4Addr::UNSPECIFIED;
    let (mut link, mut metric) = (None, 0);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => destination = *address,
            RouteAttribute::Oif(index) => link = Some(*index),
            RouteAttribute::Priority(priority) => metric = *priority,
            _ => {}
        }
    }
    let destination = Ipv4Net::new(destination, message.header.destination_prefix_length).ok()?;
    Some(HostRoute {
        destination,
        link,
        metric,
    })
}
