//! What librdkafka has fetched, taken many records at a time.
//!
//! rdkafka gives out one record at a time, each with two looks at the clock, an event and a counted pointer: a seventh of
//! what a record costs altogether (default views, three million records in turns, 2026-11-27). librdkafka hands over a
//! whole batch with one call, but rdkafka has no safe function for it. So this file is exempt from the ban on `unsafe`.

#![expect(unsafe_code, reason = "the calls and the messages are librdkafka's own, in C")]

use std::cell::RefCell;
use std::ffi::{CString, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::thread::Thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rdkafka::bindings::{
    rd_kafka_consume_batch_queue, rd_kafka_message_destroy, rd_kafka_message_leader_epoch, rd_kafka_message_t,
    rd_kafka_message_timestamp, rd_kafka_queue_cb_event_enable, rd_kafka_queue_destroy, rd_kafka_queue_forward,
    rd_kafka_queue_get_partition, rd_kafka_queue_new, rd_kafka_queue_t, rd_kafka_t, rd_kafka_timestamp_type_t,
};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::Record;
use super::context::Context;

/// The queue that librdkafka puts into what it fetches of a consumer's partitions.
///
/// librdkafka fetches while this queue is empty (`queued.min.messages=1`). So who takes all of it lets the next fetch begin, and
/// who lets it lie spares the broker and librdkafka a fetch for every few records.
pub(super) struct PartitionQueue {
    queue: NonNull<rd_kafka_queue_t>,
    /// What was taken out of it and not given on yet, the next one last.
    waiting: RefCell<Vec<NonNull<rd_kafka_message_t>>>,
    /// Whom librdkafka wakes when it puts something into the empty queue.
    woken: Option<Box<Thread>>,
    /// Kept for as long as the queue is.
    client: Arc<BaseConsumer<Context>>,
}

/// So many messages are taken out with one call.
const CALL: usize = 1_000;

impl PartitionQueue {
    /// A queue without partitions.
    pub fn new(client: Arc<BaseConsumer<Context>>) -> Result<Self> {
        // SAFETY: the client lives.
        let queue = unsafe { rd_kafka_queue_new(client.client().native_ptr()) };
        let queue = NonNull::new(queue).context("librdkafka gave no queue")?;
        Ok(PartitionQueue { queue, waiting: RefCell::default(), woken: None, client })
    }

    /// Wakes a thread from its park from now on when there is something in the queue, which was empty.
    pub fn wake(&mut self, thread: Thread) {
        let thread: &Thread = self.woken.insert(Box::new(thread));
        // SAFETY: the queue lives, and so does the thread's handle for as long as librdkafka is told to call with it.
        unsafe {
            rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), Some(unpark), ptr::from_ref(thread) as *mut c_void)
        };
    }

    /// Also takes what is fetched of this partition. It must not be assigned yet: once a partition was released,
    /// librdkafka puts what it fetches of it elsewhere.
    pub fn add(&self, topic: &str, partition: i32) -> Result<()> {
        let topic = CString::new(topic).context("a topic's name has no NUL in it")?;
        // SAFETY: the client lives, and the name as long as the call. The handle that comes back is ours.
        let own = unsafe { rd_kafka_queue_get_partition(self.client.client().native_ptr(), topic.as_ptr(), partition) };
        let own = NonNull::new(own).context("librdkafka gave no queue of a partition")?;
        // SAFETY: both queues live, and the handle is given back once. librdkafka counts what it needs of them itself.
        unsafe {
            rd_kafka_queue_forward(own.as_ptr(), self.queue.as_ptr());
            rd_kafka_queue_destroy(own.as_ptr());
        }
        Ok(())
    }

    /// What is there, `at_most` messages of it; waits so long for the first.
    pub fn take(&self, wait: Duration, at_most: usize) -> FetchBatch<'_> {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            if !wait.is_zero() {
                // A call that waits does so until it has all that it asks for, so that is one.
                self.fill(&mut waiting, wait, 1);
            }
            if wait.is_zero() || !waiting.is_empty() {
                while self.fill(&mut waiting, Duration::ZERO, CALL) == CALL {}
            }
            waiting.reverse();
        }
        let rest = waiting.len().saturating_sub(at_most);
        let mut messages = waiting.split_off(rest);
        messages.reverse();
        FetchBatch { messages, queue: PhantomData }
    }

    /// Whether anything was taken out and not given on yet.
    pub fn has_more(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Puts up to `more` messages behind those that are there; gives how many.
    fn fill(&self, messages: &mut Vec<NonNull<rd_kafka_message_t>>, wait: Duration, more: usize) -> usize {
        messages.reserve(more);
        let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let room = &mut messages.spare_capacity_mut()[..more];
        // SAFETY: the queue lives, and there is room for `more` pointers, of which librdkafka says how many it has set.
        // None of them is null, and from now on the messages are ours.
        unsafe {
            let filled = rd_kafka_consume_batch_queue(self.queue.as_ptr(), wait, room.as_mut_ptr().cast(), more);
            let filled = usize::try_from(filled).unwrap_or(0).min(more);
            messages.set_len(messages.len() + filled);
            filled
        }
    }
}

/// Called by a thread of librdkafka's.
unsafe extern "C" fn unpark(_client: *mut rd_kafka_t, thread: *mut c_void) {
    // SAFETY: `PartitionQueue::wake` gave it, and it lives until librdkafka is told to call no more.
    unsafe { (*thread.cast::<Thread>()).unpark() }
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        destroy(self.waiting.get_mut());
        // SAFETY: the queue is ours, the client lives, and batches are gone, as they borrow from here. librdkafka calls while it
        // holds the queue's lock, which the first of these takes: no call is under way behind it.
        unsafe {
            rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

/// Gives messages back.
fn destroy(messages: &mut Vec<NonNull<rd_kafka_message_t>>) {
    for message in messages.drain(..) {
        // SAFETY: the message is ours, and nothing of it is lent any more, as records borrow from who holds it.
        unsafe { rd_kafka_message_destroy(message.as_ptr()) }
    }
}

/// Messages of one queue, given back when dropped.
pub(super) struct FetchBatch<'q> {
    messages: Vec<NonNull<rd_kafka_message_t>>,
    queue: PhantomData<&'q PartitionQueue>,
}

/// What a message is.
pub(super) enum Message<'a> {
    /// A record.
    Record(Record<'a>),
    /// What happened to this partition instead, at this offset.
    Event(i32, i64, RDKafkaErrorCode),
}

impl FetchBatch<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// The messages, each partition's in its order.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        // SAFETY: a message lives, and is not written to, until the batch is dropped.
        self.messages.iter().map(|message| message_of(unsafe { message.as_ref() }))
    }
}

fn message_of(message: &rd_kafka_message_t) -> Message<'_> {
    if message.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Message::Event(message.partition, message.offset, RDKafkaErrorCode::from(message.err));
    }
    // SAFETY: the payload of a record is null, or `len` bytes that live as long as the message.
    let payload = NonNull::new(message.payload)
        .map(|payload| unsafe { slice::from_raw_parts(payload.as_ptr().cast(), message.len) });
    let (partition, offset, timestamp) = (message.partition, message.offset, timestamp(message));
    // SAFETY: the message lives. Negative if it is not known.
    let leader_epoch = Some(unsafe { rd_kafka_message_leader_epoch(message) }).filter(|epoch| *epoch >= 0);
    Message::Record(Record { partition, offset, timestamp, leader_epoch, payload })
}

fn timestamp(message: &rd_kafka_message_t) -> Option<i64> {
    let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the message lives, and so does what the call sets.
    let timestamp = unsafe { rd_kafka_message_timestamp(message, &raw mut kind) };
    let is_there = kind != rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && timestamp != -1;
    is_there.then_some(timestamp)
}

impl Drop for FetchBatch<'_> {
    fn drop(&mut self) {
        destroy(&mut self.messages);
    }
}
