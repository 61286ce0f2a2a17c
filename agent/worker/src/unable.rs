//! The executor of a node that cannot run containers: it takes part in the cluster, and says why it rejects tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use api::v1::{ExecInput, ExecOutput, ExecSpec};
use tokio::sync::mpsc;

use crate::executor::{Container, Executor, LogOptions, Logs, Reading};
use crate::failure::Failure;
use crate::step::Seen;
use crate::work::Work;

/// Rejects every task with this reason.
#[derive(Clone, Debug)]
pub struct Unable(pub String);

impl Unable {
    fn refuse<T>(&self) -> Result<T, Failure> {
        Err(Failure::Unable(self.0.clone()))
    }
}

#[tonic::async_trait]
impl Executor for Unable {
    async fn find(&self) -> Result<BTreeMap<String, Container>, Failure> {
        Ok(BTreeMap::new())
    }

    async fn prepare(&self, _: &Work) -> Result<Container, Failure> {
        self.refuse()
    }

    async fn start(&self, _: &Work, _: &str) -> Result<Container, Failure> {
        self.refuse()
    }

    async fn next(&self, _: &str, _: &Seen) -> Result<Container, Failure> {
        self.refuse()
    }

    async fn stop(&self, _: &str, _: Option<Duration>) -> Result<Container, Failure> {
        self.refuse()
    }

    async fn remove(&self, _: &str, _: Option<&str>) -> Result<(), Failure> {
        Ok(())
    }

    async fn usage(&self, _: Vec<String>) -> BTreeMap<String, Reading> {
        BTreeMap::new()
    }

    async fn logs(&self, _: &str, _: LogOptions) -> Result<Logs, Failure> {
        self.refuse()
    }

    async fn exec(
        &self,
        _: &str,
        _: &ExecSpec,
        _: mpsc::Receiver<ExecInput>,
        _: mpsc::Sender<ExecOutput>,
    ) -> Result<(), Failure> {
        self.refuse()
    }
}
