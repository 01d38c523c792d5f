//! Counting: the one arrangement, of the views of each key.

use std::cell::RefCell;
use std::rc::Rc;

use differential_dataflow::operators::CountTotal;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::ord_neu::{OrdKeyBatcher, OrdKeySpine};
use differential_dataflow::{AsCollection, Hashable};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Exchange;
use timely::dataflow::operators::vec::Map;

use crate::dictionary::Dictionary;
use crate::reports::{Count, Counts, Views};
use crate::{Epoch, Key};

/// The views of each key that changed.
///
/// Where a key is counted its text is put into a dictionary, and the key is held with a number instead: 12 bytes that
/// are compared and moved without a look elsewhere, as sorting and merging does all the time.
pub(crate) fn count(views: Views<'_>) -> Counts<'_> {
    let texts = Rc::new(RefCell::new(Dictionary::default()));
    let numbers = texts.clone();
    let numbered = views.inner.exchange(|(key, _, _)| key.hashed()).map(move |(key, epoch, views)| {
        let mut dictionary = numbers.borrow_mut();
        ((key.map(|text| dictionary.number(text)), ()), epoch, views)
    });
    // Not by the keys' hash, as differential would: numbers say nothing on another worker.
    let arranged = arrange_core::<_, _, OrdKeyBatcher<_, _, _>, OrdKeySpine<Key<u32>, Epoch, i64>>(
        numbered,
        Pipeline,
        "Arrange: views",
        OrdKeyBatcher::new,
    );
    // A key's old count is retracted right before the new one is given; only that there was one is of interest.
    let mut retracted = None;
    let counts = arranged.count_total().inner.flat_map(move |((key, views), epoch, diff): (_, _, isize)| {
        if diff < 0 {
            retracted = Some(key);
            return None;
        }
        let is_new = retracted.take() != Some(key);
        let dictionary = texts.borrow();
        Some(((key.map(|number| dictionary.text(number)), Count { views, is_new }), epoch, diff))
    });
    counts.as_collection()
}
