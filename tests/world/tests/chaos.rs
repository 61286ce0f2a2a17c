//! A few of the lives that `make soak` lives by the thousand.

use world::chaos::live;

#[test]
fn lives_that_seeds_decide_end_well() {
    for seed in 0..16 {
        live(seed, &mut |_| {});
    }
}

#[test]
fn the_same_seed_gives_the_same_life() {
    let lived = || {
        let mut told = Vec::new();
        let life = live(7, &mut |line| told.push(line.to_owned()));
        (life, told)
    };
    assert_eq!(lived(), lived());
}
