//! Weighted choice. Integers only, so that the same seed gives the same events on every machine.

use rand::RngExt;

use super::Dice;

/// Picks an index by weight.
pub(super) struct Shares {
    /// Running totals of the weights.
    bounds: Vec<u64>,
}

impl Shares {
    /// Shares in proportion to `weights`, of which at least one is not zero.
    pub fn new(weights: impl IntoIterator<Item = u64>) -> Self {
        let running = |total: &mut u64, weight| {
            *total += weight;
            Some(*total)
        };
        Self { bounds: weights.into_iter().scan(0, running).collect() }
    }

    /// A Zipf–Mandelbrot slope over `count` ranks: the weight of rank k is 1 / (k + `shift`). The shift flattens the head.
    pub fn zipf(count: u64, shift: u64) -> Self {
        const ONE: u64 = 1_000_000_000_000;
        Self::new((1..=count).map(|rank| ONE / (rank + shift)))
    }

    /// An index, as often as its weight says.
    pub fn pick(&self, dice: &mut Dice) -> usize {
        let total = self.bounds.last().copied().unwrap_or(1);
        let point = dice.random_range(0..total);
        self.bounds.partition_point(|&bound| bound <= point)
    }
}

/// One of `items`, all equally likely.
pub(super) fn one_of<T: Copy>(items: &[T], dice: &mut Dice) -> T {
    items[dice.random_range(0..items.len() as u32) as usize]
}

/// One of `items`, where each is about half as likely as the one before it: for lists that begin with the common ones.
pub(super) fn mostly_first<T: Copy>(items: &[T], dice: &mut Dice) -> T {
    let rank = dice.random::<u32>().trailing_zeros() as usize;
    items[rank % items.len()]
}
