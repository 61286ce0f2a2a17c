//! Services by what they depend on.

use std::collections::BTreeMap;

use model::ServiceSpec;

use super::StackError;

/// The services in waves, as places in the list.
pub(super) fn of(services: &[ServiceSpec]) -> Result<Vec<Vec<usize>>, StackError> {
    let places: BTreeMap<&str, usize> = services
        .iter()
        .enumerate()
        .map(|(place, service)| (service.name.as_str(), place))
        .collect();
    let needs: Vec<Vec<usize>> = services
        .iter()
        .map(|service| {
            let names = service.depends_on.iter().map(|on| on.service.as_str());
            let mut needs: Vec<usize> =
                names.filter_map(|name| places.get(name).copied()).collect();
            needs.sort_unstable();
            needs.dedup();
            needs
        })
        .collect();
    let mut needed_by = vec![Vec::new(); services.len()];
    for (place, needs) in needs.iter().enumerate() {
        for need in needs {
            needed_by[*need].push(place);
        }
    }
    let mut open: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut waves = Vec::new();
    let mut wave: Vec<usize> = (0..services.len())
        .filter(|place| open[*place] == 0)
        .collect();
    let mut placed = 0;
    while !wave.is_empty() {
        let mut next = Vec::new();
        for place in &wave {
            for dependent in &needed_by[*place] {
                open[*dependent] -= 1;
                if open[*dependent] == 0 {
                    next.push(*dependent);
                }
            }
        }
        next.sort_unstable();
        placed += wave.len();
        waves.push(std::mem::replace(&mut wave, next));
    }
    if placed == services.len() {
        return Ok(waves);
    }
    let path = cycle(&needs, &open);
    Err(StackError::Cycle(
        path.into_iter()
            .map(|place| services[place].name.clone())
            .collect(),
    ))
}

/// A cycle among those that could not be placed, from the first of its members in the list, back to that.
fn cycle(needs: &[Vec<usize>], open: &[usize]) -> Vec<usize> {
    let mut at = open.iter().position(|open| *open > 0);
    let mut path: Vec<usize> = Vec::new();
    let mut seen = vec![false; needs.len()];
    while let Some(place) = at.filter(|place| !seen[*place]) {
        seen[place] = true;
        path.push(place);
        // Who could not be placed needs another one that could not.
        at = needs[place].iter().copied().find(|need| open[*need] > 0);
    }
    let begin = path
        .iter()
        .position(|place| Some(*place) == at)
        .unwrap_or(0);
    let mut members = path.split_off(begin);
    let first = members
        .iter()
        .enumerate()
        .min_by_key(|(_, place)| **place)
        .map_or(0, |(position, _)| position);
    members.rotate_left(first);
    members.extend(members.first().copied());
    members
}
