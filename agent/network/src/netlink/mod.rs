//! rtnetlink, synchronously.

use crate::error::Result;

pub(crate) struct Route;

impl Route {
    pub(crate) fn open() -> Result<Route> {
        todo!()
    }
    pub(crate) fn set_up(&mut self, _name: &str) -> Result<()> {
        todo!()
    }
}
