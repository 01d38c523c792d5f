//! The index of the bytes that end a JSON text or need a closer look.

use wide::u8x16;

/// How many bytes are looked at in one go: as many as a word has bits.
const BLOCK_BYTES: usize = 64;
/// How many bytes of them one instruction compares.
const LANE_BYTES: usize = 16;

/// Where the quotes, backslashes and control characters of a record are. Rebuilt for each record, in the same memory.
///
/// A record is mostly short texts. A block of bytes becomes a word with a bit for each structural byte, after which the
/// end of a text is a count of zeros (as in stage 1 of G. Langdale and D. Lemire, "Parsing Gigabytes of JSON per
/// Second", The VLDB Journal 28, 2019).
#[derive(Debug, Default)]
pub(super) struct StructuralIndex {
    /// A bit for each byte of the record, and a word of zeros behind them.
    words: Vec<u64>,
}

impl StructuralIndex {
    /// Looks at a record.
    pub fn index(&mut self, record: &[u8]) {
        let (blocks, rest) = record.as_chunks();
        let mut last = [b' '; BLOCK_BYTES];
        last[..rest.len()].copy_from_slice(rest);
        self.words.clear();
        self.words.extend(blocks.iter().chain([&last]).map(structural));
        // Behind the end there is nothing to find, however far one looks.
        self.words.push(0);
    }

    /// The first structural byte at `from` or behind it.
    #[inline]
    pub fn next(&self, from: usize) -> Option<usize> {
        let (block, shift) = (from / BLOCK_BYTES, from % BLOCK_BYTES);
        let [first, second] = *self.words.get(block..)?.first_chunk()?;
        // The 64 bits from here on, out of both words. Most texts end within them, wherever they begin, so that this
        // branch is predicted.
        let word = (first >> shift) | ((second << 1) << (BLOCK_BYTES - 1 - shift));
        if word != 0 { Some(from + word.trailing_zeros() as usize) } else { self.next_far(block + 1) }
    }

    /// The first in this block or behind it.
    fn next_far(&self, mut block: usize) -> Option<usize> {
        loop {
            let word = *self.words.get(block)?;
            if word != 0 {
                return Some(block * BLOCK_BYTES + word.trailing_zeros() as usize);
            }
            block += 1;
        }
    }
}

/// A bit for each structural byte, the first being the lowest.
fn structural(bytes: &[u8; BLOCK_BYTES]) -> u64 {
    let mut bits = 0;
    for (index, lanes) in bytes.as_chunks::<LANE_BYTES>().0.iter().enumerate() {
        let lanes = u8x16::new(*lanes);
        let control = lanes.min(u8x16::splat(0x1f)).simd_eq(lanes);
        let structural = control | lanes.simd_eq(u8x16::splat(b'"')) | lanes.simd_eq(u8x16::splat(b'\\'));
        bits |= u64::from(structural.to_bitmask()) << (index * LANE_BYTES);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_finds_each_structural_byte(record in prop::collection::vec(any::<u8>(), 0..300), from in 0..300_usize) {
            let is_structural = |byte: &u8| matches!(byte, ..0x20 | b'"' | b'\\');
            let expected = record.iter().skip(from).position(is_structural).map(|distance| from + distance);
            let mut structural = StructuralIndex::default();
            structural.index(b"\"what an earlier record left behind\"");
            structural.index(&record);
            prop_assert_eq!(structural.next(from), expected);
        }
    }
}
