//! From the flags of `service create` and `service update` to what is wanted of a service. Pure: what is typed goes in, a spec
//! comes out.

mod changes;
mod file;
pub(crate) mod gates;
mod lists;
mod mount;
mod new;
mod placement;
pub(crate) mod port;
pub(crate) mod settings;
mod values;
mod words;

pub(crate) use changes::{Changes, change};
pub(crate) use lists::variables;
pub(crate) use new::{Lists, new};
pub(crate) use settings::Settings;

/// The word after `--endpoint-mode`.
pub(crate) fn endpoint(word: &str) -> Result<model::EndpointMode, String> {
    match word {
        "vip" => Ok(model::EndpointMode::Vip),
        "dnsrr" => Ok(model::EndpointMode::Dnsrr),
        _ => Err(format!("{word:?} is neither vip nor dnsrr")),
    }
}

#[cfg(test)]
mod tests;
