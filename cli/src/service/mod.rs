//! Services: one file per verb.

mod create;
mod exec;
pub(crate) mod inspect;
pub(crate) mod logs;
mod ls;
mod ps;
mod rm;
mod rollback;
mod scale;
pub(crate) mod spec;
mod update;
pub(crate) mod view;

use api::v1::{GetServiceRequest, ServiceView, UpdateServiceRequest};
use clap::Subcommand;
use model::{Service, ServiceSpec};
use tonic::Code;

use crate::context::Context;
use crate::converge::{Ended, Stay, Subject, stay};
use crate::failure::{Failure, Outcome, complain};
use crate::remote::Client;

/// `minictl service ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    Create(Box<create::Args>),
    Update(Box<update::Args>),
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    Ps(ps::Args),
    Inspect(inspect::Args),
    Logs(logs::Args),
    Scale(scale::Args),
    Rollback(rollback::Args),
    #[command(visible_alias = "remove")]
    Rm(rm::Args),
    Exec(exec::Args),
}

/// Carries the verb out.
pub(crate) fn perform(command: ServiceCommand, context: &Context) -> Outcome {
    match command {
        ServiceCommand::Create(args) => create::create(&args, context),
        ServiceCommand::Update(args) => update::update(&args, context),
        ServiceCommand::Ls(args) => ls::list(&args, context),
        ServiceCommand::Ps(args) => ps::list(&args, context),
        ServiceCommand::Inspect(args) => inspect::inspect(&args, context),
        ServiceCommand::Logs(args) => logs::logs(&args, context),
        ServiceCommand::Scale(args) => scale::scale(&args, context),
        ServiceCommand::Rollback(args) => rollback::roll_back(&args, context),
        ServiceCommand::Rm(args) => rm::remove(&args, context),
        ServiceCommand::Exec(args) => exec::exec(args, context),
    }
}

/// How often a change is made anew upon what others have changed meanwhile.
const ATTEMPTS: u32 = 10;

/// The service, and how far it has come.
fn get(client: &Client, name: &str) -> Result<(Service, ServiceView), Failure> {
    let asked = GetServiceRequest {
        service: name.to_owned(),
    };
    let reply = client.ask(asked, |channel, request| async move {
        api::control(channel).get_service(request).await
    })?;
    let view = reply.service.unwrap_or_default();
    Ok((view.service.clone().unwrap_or_default(), view))
}

/// A service as it was made or changed.
#[derive(Debug)]
struct Changed {
    service: Service,
    /// When the rollout began that it had before.
    before: Option<i64>,
}

/// Changes what is wanted of a service. What others change meanwhile is not undone: it is read and changed again.
fn change(
    client: &Client,
    name: &str,
    change: impl Fn(&mut ServiceSpec) -> Result<(), Failure>,
) -> Result<Changed, Failure> {
    let mut attempt = 1;
    loop {
        let (service, _) = get(client, name)?;
        let before = service.rollout.as_ref().map(|rollout| rollout.started_ms);
        let mut spec = service.spec.clone();
        change(&mut spec)?;
        let asked = UpdateServiceRequest {
            service: service.id,
            version: service.meta.version,
            spec: Some(spec),
        };
        let asked = client.asked(asked, |channel, request| async move {
            api::control(channel).update_service(request).await
        });
        match client.run(asked) {
            Ok(reply) => {
                reply.warnings.iter().for_each(|warning| warn(warning));
                let view = reply.service.unwrap_or_default();
                let service = view.service.unwrap_or_default();
                return Ok(Changed { service, before });
            }
            Err(status) if status.code() == Code::Aborted && attempt < ATTEMPTS => attempt += 1,
            Err(status) => return Err(client.failure(&status)),
        }
    }
}

/// One line on standard error that stops nothing.
pub(crate) fn warn(warning: &str) {
    complain(&format!("warning: {warning}"));
}

/// Whether a verb stays until it is done.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Waiting {
    /// Don't stay until the tasks are as they are wanted
    #[arg(short, long, num_args = 0..=1, default_missing_value = "true", default_value = "false", hide_default_value = true, require_equals = true, value_name = "BOOL")]
    detach: bool,
    /// Don't show how far it has come
    #[arg(short, long)]
    quiet: bool,
}

impl Waiting {
    /// Stays with the service, unless that is not wanted.
    fn with(self, client: &Client, changed: &Changed) -> Result<Ended, Failure> {
        if self.detach {
            return Ok(Ended::Converged);
        }
        let subject = Subject::Service {
            id: changed.service.id.clone(),
            name: changed.service.spec.name.clone(),
            before: changed.before,
        };
        let how = Stay {
            limit: None,
            quiet: self.quiet,
        };
        stay(client, &subject, how)
    }
}
