//! Where the bytes are that end a JSON text or need a closer look.

use wide::u8x16;

/// How many bytes are looked at in one go: as many as a word has bits.
const BLOCK: usize = 64;
/// How many bytes of them one instruction compares.
const LANES: usize = 16;

/// Where the quotes, backslashes and control characters of a record are. Made anew for each record, in the same memory.
///
/// A record is mostly short texts. A block of bytes becomes a word with a bit for each special byte, after which the
/// end of a text is a count of zeros (as in stage 1 of G. Langdale and D. Lemire, "Parsing Gigabytes of JSON per
/// Second", The VLDB Journal 28, 2019).
#[derive(Debug, Default)]
pub(super) struct Special {
    blocks: Vec<u64>,
    is_ascii: bool,
}

impl Special {
    /// Looks at a record.
    pub fn look(&mut self, record: &[u8]) {
        let (blocks, rest) = record.as_chunks();
        let mut last = [b' '; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        let mut high = u8x16::splat(0);
        self.blocks.clear();
        self.blocks.extend(blocks.iter().chain([&last]).map(|block| special(block, &mut high)));
        self.is_ascii = high.to_bitmask() == 0;
    }

    /// The first special byte at `from` or behind it.
    #[inline]
    pub fn next(&self, from: usize) -> Option<usize> {
        let mut block = from / BLOCK;
        let mut bits = self.blocks.get(block)? & (u64::MAX << (from % BLOCK));
        while bits == 0 {
            block += 1;
            bits = *self.blocks.get(block)?;
        }
        Some(block * BLOCK + bits.trailing_zeros() as usize)
    }

    /// Whether all of the record is ASCII.
    pub fn is_ascii(&self) -> bool {
        self.is_ascii
    }
}

/// A bit for each special byte, the first being the lowest. All bytes are also or-ed to those in `high`.
fn special(bytes: &[u8; BLOCK], high: &mut u8x16) -> u64 {
    let mut bits = 0;
    for (index, lanes) in bytes.as_chunks::<LANES>().0.iter().enumerate() {
        let lanes = u8x16::new(*lanes);
        let control = lanes.min(u8x16::splat(0x1f)).simd_eq(lanes);
        let special = control | lanes.simd_eq(u8x16::splat(b'"')) | lanes.simd_eq(u8x16::splat(b'\\'));
        bits |= u64::from(special.to_bitmask()) << (index * LANES);
        *high |= lanes;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_finds_each_special_byte(record in prop::collection::vec(any::<u8>(), 0..300), from in 0..300_usize) {
            let is_special = |byte: &u8| matches!(byte, ..0x20 | b'"' | b'\\');
            let expected = record.iter().skip(from).position(is_special).map(|distance| from + distance);
            let mut special = Special::default();
            special.look(b"\"what an earlier record left behind\"");
            special.look(&record);
            prop_assert_eq!(special.next(from), expected);
        }

        #[test]
        fn it_knows_ascii(record in prop::collection::vec(0..0x80_u8, 1..200), odd in 0..200_usize) {
            let mut special = Special::default();
            special.look(&record);
            prop_assert!(special.is_ascii());
            let mut record = record;
            let odd = odd % record.len();
            record[odd] |= 0x80;
            special.look(&record);
            prop_assert!(!special.is_ascii());
        }
    }
}
