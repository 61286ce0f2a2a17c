//! What coming and going costs, printed with `--nocapture`.

use super::*;

#[test]
fn what_it_costs() {
    let Some(host) = Host::new("what_it_costs") else {
        return;
    };
    let mut rows: Vec<(&str, Vec<Duration>)> = Vec::new();
    let mut measure =
        |name: &'static str, elapsed: Duration| match rows.iter_mut().find(|(n, _)| *n == name) {
            Some((_, times)) => times.push(elapsed),
            None => rows.push((name, vec![elapsed])),
        };
    for round in 0..10 {
        for (alone, keeper) in [
            (true, None),
            (false, Some(host.connect("keeper", "bridge", &[]))),
        ] {
            let id = format!("e{round}{alone}");
            let started = Instant::now();
            let netns = Netns::create().unwrap();
            measure("netns", started.elapsed());
            let ports = [port("", 8080, 80, Protocol::Tcp)];
            let started = Instant::now();
            host.on(|networks| networks.connect(&spec(&id, &netns, "bridge", &ports)))
                .unwrap();
            measure(
                if alone {
                    "connect, first"
                } else {
                    "connect, further"
                },
                started.elapsed(),
            );
            let started = Instant::now();
            drop(netns);
            measure("netns closed", started.elapsed());
            let started = Instant::now();
            host.on(|networks| networks.release(&id)).unwrap();
            measure("release", started.elapsed());
            let started = Instant::now();
            host.on(|networks| networks.sweep()).unwrap();
            measure(
                if alone {
                    "sweep, last"
                } else {
                    "sweep, others there"
                },
                started.elapsed(),
            );
            if keeper.is_some() {
                host.on(|networks| networks.disconnect("keeper")).unwrap();
            }
        }
    }
    host.assert_clean();
    for (name, mut times) in rows {
        times.sort_unstable();
        println!(
            "{name:>20}: median {:?}, worst {:?}",
            times[times.len() / 2],
            times[times.len() - 1]
        );
    }
}
