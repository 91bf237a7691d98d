//! The numbers that a seed stands for: the same on every machine and with every version of every
//! dependency, so that a seed stays one.

/// `SplitMix64`, by Steele, Lea and Flood.
///
/// The whole state is one word, so a seed is a state.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number of the sequence; all 64 bits are as good as any.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..below`, which is not empty.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        let wide = u128::from(self.next()) * (below as u128);
        // The upper half of the product is less than `below`.
        (wide >> 64) as usize
    }
}
