//! Chance that a seed decides, the same in every version of every library: a seed that failed once must mean the same later.

/// A source of numbers (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The numbers of that seed. Neighbouring seeds have nothing in common.
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice(seed ^ 0x5851_f42d_4c95_7f2d);
        dice.roll();
        Dice(dice.roll())
    }

    /// The next number.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is above 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    /// A number from `least` to `most`.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// True so many times out of a thousand.
    pub(crate) fn permille(&mut self, times: u64) -> bool {
        self.below(1000) < times
    }

    /// One of them; there is at least one.
    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len() as u64);
        from[usize::try_from(at).unwrap_or(0)].clone()
    }

    /// Puts them in some order.
    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        for end in (1..all.len()).rev() {
            let other = usize::try_from(self.below(end as u64 + 1)).unwrap_or(0);
            all.swap(end, other);
        }
    }

    /// A source of its own for a part of the world, so that what one part draws does not shift the others.
    pub(crate) fn split(&mut self) -> Dice {
        Dice::new(self.roll())
    }
}

/// A running hash (FNV-1a over words), to tell whether two histories are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Digest(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Takes in a number.
    pub(crate) fn word(&mut self, word: u64) {
        for byte in word.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Takes in bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The hash so far.
    pub(crate) fn value(&self) -> u64 {
        self.0
    }

    /// A hash that goes on from `value`.
    pub(crate) fn from_value(value: u64) -> Self {
        Digest(value)
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn the_same_seed_rolls_the_same_and_stays_in_bounds() {
        let (mut one, mut two) = (Dice::new(7), Dice::new(7));
        let mut other = Dice::new(8);
        let rolls: Vec<u64> = (0..100).map(|_| one.roll()).collect();
        assert!(rolls.iter().all(|roll| *roll == two.roll()));
        assert!(rolls.iter().any(|roll| *roll != other.roll()));
        assert!((0..1000).all(|_| (3..=5).contains(&one.between(3, 5))));
        let mut order: Vec<u32> = (0..20).collect();
        one.shuffle(&mut order);
        order.sort_unstable();
        assert_eq!(order, (0..20).collect::<Vec<u32>>());
    }
}
