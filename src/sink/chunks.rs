//! Rows in statements of a bounded size.

/// The most bytes of texts that a statement gets. Postgres takes less than 1 GiB in one message and in one value, and holds an
/// array several times while it works on it.
const STATEMENT_BYTES_MAX: usize = 16 << 20;

/// The items in their order, in slices of at most `items_max` items and `STATEMENT_BYTES_MAX` bytes; an item that is
/// larger stands alone.
pub(super) fn chunks<T>(items: &[T], items_max: usize, bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let mut sum = 0;
        let mut fits = |item: &T| {
            sum += bytes(item);
            sum <= STATEMENT_BYTES_MAX
        };
        let length = rest.iter().take(items_max).take_while(|item| fits(item)).count().max(1);
        let (chunk, behind) = rest.split_at_checked(length)?;
        rest = behind;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_bounded_in_items_and_bytes() {
        let sizes = |items: &[usize], most| chunks(items, most, |size| *size).map(<[usize]>::len).collect::<Vec<_>>();
        let half = STATEMENT_BYTES_MAX / 2;
        assert_eq!(sizes(&[], 3), [0; 0]);
        assert_eq!(sizes(&[1; 7], 3), [3, 3, 1]);
        assert_eq!(sizes(&[half, half, half, 3 * half, 1, 1], 10), [2, 1, 1, 2]);
    }
}
