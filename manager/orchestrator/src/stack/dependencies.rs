//! Whether what services wait for can come true.

use std::collections::BTreeMap;

use model::{DependencyCondition, RestartCondition, ServiceMode, ServiceSpec, StackSpec};
use store::View;

use super::StackError;

/// Warnings about what services wait for. `stays` tells whether a service that the stack does not name will be there.
pub(super) fn check(
    view: &View,
    spec: &StackSpec,
    stays: impl Fn(&str) -> bool,
) -> Result<Vec<String>, StackError> {
    let own: BTreeMap<&str, &ServiceSpec> = spec
        .services
        .iter()
        .map(|service| (service.name.as_str(), service))
        .collect();
    let mut warnings = Vec::new();
    for service in &spec.services {
        for dependency in &service.depends_on {
            let name = dependency.service.as_str();
            let elsewhere = || {
                let known = view.services().named(name)?;
                (!known.removing && stays(name)).then_some(&known.spec)
            };
            let Some(on) = own.get(name).copied().or_else(elsewhere) else {
                if !dependency.optional {
                    return Err(StackError::UnknownDependency {
                        service: service.name.clone(),
                        dependency: name.to_owned(),
                    });
                }
                warnings.push(format!(
                    "service `{}` depends on `{name}`, which is not there: it starts without",
                    service.name
                ));
                continue;
            };
            warnings.extend(judge(service, dependency.condition(), on)?);
        }
    }
    Ok(warnings)
}

fn judge(
    service: &ServiceSpec,
    condition: DependencyCondition,
    on: &ServiceSpec,
) -> Result<Option<String>, StackError> {
    let (service, dependency) = (service.name.clone(), on.name.clone());
    match condition {
        DependencyCondition::Healthy if has_no_health_check(on) => Err(StackError::NoHealthCheck {
            service,
            dependency,
        }),
        DependencyCondition::CompletedSuccessfully if !can_complete(on) => {
            Err(StackError::NeverCompletes {
                service,
                dependency,
            })
        }
        DependencyCondition::Started if has_health_check(on) => Ok(Some(format!(
            "service `{service}` starts as soon as `{dependency}` has started, healthy or not: say `condition: service_healthy` to wait for its health check"
        ))),
        _ => Ok(None),
    }
}

fn has_no_health_check(spec: &ServiceSpec) -> bool {
    first_word(spec).is_some_and(|word| word == "NONE")
}

fn has_health_check(spec: &ServiceSpec) -> bool {
    first_word(spec).is_some_and(|word| word != "NONE")
}

fn first_word(spec: &ServiceSpec) -> Option<&str> {
    let check = spec.task.container.healthcheck.as_ref()?;
    check.test.first().map(String::as_str)
}

fn can_complete(spec: &ServiceSpec) -> bool {
    let is_job = matches!(
        spec.mode,
        Some(ServiceMode::ReplicatedJob(_) | ServiceMode::GlobalJob(_))
    );
    is_job || spec.task.restart.condition() != RestartCondition::Any
}
