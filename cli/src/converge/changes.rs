//! What tells that something has changed, so that nobody has to look again and again to be quick.

use api::v1::watch_event::Object;
use api::v1::{WatchEvent, WatchRequest};
use tonic::Streaming;

use crate::remote::Client;

/// A watch that is opened when it is needed first, and again after it broke.
#[derive(Debug, Default)]
pub(super) struct Changes {
    stream: Option<Streaming<WatchEvent>>,
}

impl Changes {
    /// Ends when something has changed. Never ends where nobody tells: looking now and then must do.
    pub(super) async fn next(&mut self, client: &Client) {
        if self.stream.is_none() {
            let mut control = api::control(client.channel());
            match control.watch(WatchRequest { after_version: 0 }).await {
                // What changed before the watch was open is seen by looking once more.
                Ok(stream) => {
                    self.stream = Some(stream.into_inner());
                    return;
                }
                Err(_) => std::future::pending().await,
            }
        }
        loop {
            let Some(stream) = &mut self.stream else {
                return;
            };
            match stream.message().await {
                Ok(Some(event)) if concerns(&event) => return,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => {
                    self.stream = None;
                    return;
                }
            }
        }
    }
}

fn concerns(event: &WatchEvent) -> bool {
    matches!(
        event.object,
        Some(Object::Task(_) | Object::Service(_) | Object::Stack(_))
    )
}
