//! What librdkafka has fetched, taken many records at a time.
//!
//! rdkafka returns one record at a time, each with two reads of the clock, an event and a counted reference: a seventh
//! of what a record costs altogether (default views, three million records in turns, 2026-11-27). librdkafka hands over
//! a whole batch with one call, but rdkafka has no safe function for it. So this file is exempt from the ban on
//! `unsafe`.

#![expect(unsafe_code, reason = "the calls and the messages are librdkafka's own, in C")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::CString;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rdkafka::bindings::{
    rd_kafka_consume_batch_queue, rd_kafka_message_destroy, rd_kafka_message_leader_epoch, rd_kafka_message_t,
    rd_kafka_message_timestamp, rd_kafka_queue_destroy, rd_kafka_queue_forward, rd_kafka_queue_get_partition,
    rd_kafka_queue_new, rd_kafka_queue_t, rd_kafka_timestamp_type_t,
};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::Record;
use super::context::Context;

/// The queue into which librdkafka puts what it fetches from a consumer's partitions.
///
/// It fetches while that queue is empty (`queued.min.messages`). So each poll, which takes all of it, asks for the next fetch,
/// and records that wait for a poll spare the broker and librdkafka a fetch for every few of them.
pub(super) struct PartitionQueue {
    queue: NonNull<rd_kafka_queue_t>,
    /// What was taken from it and not returned yet.
    ahead: RefCell<Ahead>,
    bytes_ahead_max: usize,
    /// Kept for as long as the queue is.
    client: Arc<BaseConsumer<Context>>,
}

/// Messages taken ahead.
#[derive(Default)]
struct Ahead {
    /// Oldest first.
    messages: VecDeque<NonNull<rd_kafka_message_t>>,
    /// Of their payloads.
    bytes: usize,
}

/// How many messages are taken ahead: enough for the worker never to run dry.
const MESSAGES_AHEAD_MAX: usize = 20_000;
/// And with one call.
const CALL_MESSAGES_MAX: usize = 1_000;

impl PartitionQueue {
    /// A queue without partitions, from which about this many bytes are taken ahead.
    pub fn new(client: Arc<BaseConsumer<Context>>, bytes_ahead_max: usize) -> Result<Self> {
        // SAFETY: the client lives.
        let queue = unsafe { rd_kafka_queue_new(client.client().native_ptr()) };
        let queue = NonNull::new(queue).context("librdkafka gave no queue")?;
        Ok(PartitionQueue { queue, ahead: RefCell::default(), bytes_ahead_max, client })
    }

    /// Also takes what is fetched from this partition. It must not be assigned yet: once a partition was released,
    /// librdkafka puts what it fetches from it elsewhere.
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

    /// What is there, `at_most` messages of it; waits up to `wait` for the first.
    pub fn poll(&self, wait: Duration, at_most: usize) -> FetchBatch<'_> {
        let mut ahead = self.ahead.borrow_mut();
        // librdkafka waits until the batch is full, so it is one of a single message.
        if ahead.messages.is_empty() && !wait.is_zero() && self.take(&mut ahead, wait, 1) == 0 {
            return FetchBatch { messages: Vec::new(), queue: PhantomData };
        }
        self.take_all(&mut ahead);
        let count = at_most.min(ahead.messages.len());
        let messages: Vec<_> = ahead.messages.drain(..count).collect();
        ahead.bytes -= bytes_of(&messages);
        FetchBatch { messages, queue: PhantomData }
    }

    /// Takes what is there for the next poll.
    pub fn take_ahead(&self) {
        self.take_all(&mut self.ahead.borrow_mut());
    }

    /// Takes all messages from the queue, as long as there is room.
    fn take_all(&self, ahead: &mut Ahead) {
        let mut taken = CALL_MESSAGES_MAX;
        while taken == CALL_MESSAGES_MAX
            && ahead.messages.len() < MESSAGES_AHEAD_MAX
            && ahead.bytes < self.bytes_ahead_max
        {
            taken = self.take(ahead, Duration::ZERO, CALL_MESSAGES_MAX);
        }
    }

    /// Whether there is more than the last poll has returned.
    pub fn has_more(&self) -> bool {
        !self.ahead.borrow().messages.is_empty()
    }

    /// Takes up to `at_most` messages from the queue, waiting this long for all of them; returns how many.
    fn take(&self, ahead: &mut Ahead, wait: Duration, at_most: usize) -> usize {
        let mut messages: Vec<NonNull<rd_kafka_message_t>> = Vec::with_capacity(at_most);
        let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let room = messages.spare_capacity_mut();
        // SAFETY: the queue lives, and there is room for `at_most` pointers, of which librdkafka says how many it has set.
        // None of them is null, and from now on the messages are ours.
        unsafe {
            let taken = rd_kafka_consume_batch_queue(self.queue.as_ptr(), wait, room.as_mut_ptr().cast(), at_most);
            messages.set_len(usize::try_from(taken).unwrap_or(0).min(at_most));
        }
        ahead.bytes += bytes_of(&messages);
        ahead.messages.extend(&messages);
        messages.len()
    }
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        self.ahead.get_mut().messages.drain(..).for_each(destroy);
        // SAFETY: the queue is ours, the client lives, and batches are gone, as they borrow from here.
        unsafe { rd_kafka_queue_destroy(self.queue.as_ptr()) }
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
        self.messages.drain(..).for_each(destroy);
    }
}

/// The bytes of messages' payloads.
fn bytes_of(messages: &[NonNull<rd_kafka_message_t>]) -> usize {
    // SAFETY: a message lives until it is given back.
    messages.iter().map(|message| unsafe { message.as_ref() }.len).sum()
}

/// Gives a message back, of which nothing is lent any more: records borrow from its batch.
fn destroy(message: NonNull<rd_kafka_message_t>) {
    // SAFETY: the message is ours.
    unsafe { rd_kafka_message_destroy(message.as_ptr()) }
}
