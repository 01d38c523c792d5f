//! Calls of librdkafka that rdkafka has no safe function for: a topic's id, the leader epoch of an assignment, and the
//! client's log as a queue of its own.

#![expect(unsafe_code, reason = "the calls are librdkafka's own, in C")]

use std::ffi::{CStr, CString, c_char};
use std::ptr::{self, NonNull};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rdkafka::TopicPartitionList;
use rdkafka::bindings::{
    rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new, rd_kafka_AdminOptions_set_request_timeout,
    rd_kafka_DescribeTopics, rd_kafka_DescribeTopics_result_topics, rd_kafka_TopicCollection_destroy,
    rd_kafka_TopicCollection_of_topic_names, rd_kafka_TopicDescription_error, rd_kafka_TopicDescription_topic_id,
    rd_kafka_Uuid_base64str, rd_kafka_Uuid_least_significant_bits, rd_kafka_Uuid_most_significant_bits,
    rd_kafka_admin_op_t, rd_kafka_error_code, rd_kafka_event_DescribeTopics_result, rd_kafka_event_destroy,
    rd_kafka_event_error, rd_kafka_event_log, rd_kafka_event_t, rd_kafka_get_watermark_offsets, rd_kafka_queue_destroy,
    rd_kafka_queue_new, rd_kafka_queue_poll, rd_kafka_queue_t, rd_kafka_set_log_queue, rd_kafka_t,
    rd_kafka_topic_partition_list_find, rd_kafka_topic_partition_set_leader_epoch,
};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::types::RDKafkaRespErr;

use super::context::Context;

/// What a broker says of a topic's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Described {
    /// Its id, in Base64 as Kafka's tools show it; none from a broker that gives none (before Kafka 2.8).
    Id(Option<String>),
    /// There is no such topic.
    Gone,
    /// The broker gave no answer, or another error.
    Unknown(RDKafkaRespErr),
}

/// Asks a broker for a topic's id.
pub(super) fn describe(client: &BaseConsumer<Context>, topic: &str, patience: Duration) -> Result<Described> {
    let native = client.client().native_ptr();
    let queue = OwnQueue::new(native)?;
    let name = CString::new(topic).context("a topic's name has no NUL in it")?;
    let millis = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client and the queue live; name, collection and options live as long as the call, which copies them.
    unsafe {
        let topics = rd_kafka_TopicCollection_of_topic_names([name.as_ptr()].as_mut_ptr(), 1);
        let options = rd_kafka_AdminOptions_new(native, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
        let mut reason = [0 as c_char; 128];
        // A refused timeout leaves the default.
        let _ = rd_kafka_AdminOptions_set_request_timeout(options, millis, reason.as_mut_ptr(), reason.len());
        rd_kafka_DescribeTopics(native, topics, options, queue.0.as_ptr());
        rd_kafka_AdminOptions_destroy(options);
        rd_kafka_TopicCollection_destroy(topics);
    }
    let Some(event) = queue.poll(patience) else {
        return Ok(Described::Unknown(RDKafkaRespErr::RD_KAFKA_RESP_ERR__TIMED_OUT));
    };
    // SAFETY: the event is ours until it is dropped, and all that is read belongs to it; null is looked for.
    unsafe {
        let error = rd_kafka_event_error(event.0.as_ptr());
        if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(Described::Unknown(error));
        }
        let result = rd_kafka_event_DescribeTopics_result(event.0.as_ptr());
        let mut count = 0;
        let topics = if result.is_null() {
            ptr::null_mut()
        } else {
            rd_kafka_DescribeTopics_result_topics(result, &raw mut count)
        };
        if topics.is_null() || count == 0 {
            return Ok(Described::Unknown(RDKafkaRespErr::RD_KAFKA_RESP_ERR__BAD_MSG));
        }
        let topic = *topics;
        let code = rd_kafka_error_code(rd_kafka_TopicDescription_error(topic));
        Ok(match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {
                let id = rd_kafka_TopicDescription_topic_id(topic);
                let known =
                    rd_kafka_Uuid_most_significant_bits(id) != 0 || rd_kafka_Uuid_least_significant_bits(id) != 0;
                let text = || CStr::from_ptr(rd_kafka_Uuid_base64str(id)).to_string_lossy().into_owned();
                Described::Id(known.then(text))
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
            | RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID => Described::Gone,
            other => Described::Unknown(other),
        })
    }
}

/// Sets the leader epoch of the record before the offset of a partition in a list.
pub(super) fn set_leader_epoch(list: &TopicPartitionList, topic: &str, partition: i32, epoch: i32) -> Result<()> {
    let topic = CString::new(topic).context("a topic's name has no NUL in it")?;
    // SAFETY: list and name live; the element is the list's own, or null.
    unsafe {
        let element = rd_kafka_topic_partition_list_find(list.ptr(), topic.as_ptr(), partition);
        if let Some(element) = NonNull::new(element) {
            rd_kafka_topic_partition_set_leader_epoch(element.as_ptr(), epoch);
        }
    }
    Ok(())
}

/// Where a partition ended when it was fetched from last, whatever there is of it in queues; none before that.
pub(super) fn last_end(client: &BaseConsumer<Context>, topic: &str, partition: i32) -> Option<i64> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client and the name live, and so does what the call sets.
    let code = unsafe {
        let native = client.client().native_ptr();
        rd_kafka_get_watermark_offsets(native, topic.as_ptr(), partition, &raw mut low, &raw mut high)
    };
    (code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
}

/// The lines that a client logs from now on, in a queue that can be emptied at any moment: in the client's own, other
/// events may stand in front of them.
pub(super) struct Log(OwnQueue);

impl Log {
    /// Takes the log of this client, which must outlive it.
    pub fn attach(client: &BaseConsumer<Context>) -> Result<Log> {
        let native = client.client().native_ptr();
        let log = Log(OwnQueue::new(native)?);
        // SAFETY: both live.
        unsafe { rd_kafka_set_log_queue(native, log.0.0.as_ptr()) };
        Ok(log)
    }

    /// Calls `each` with every line that was logged until now: its facility and its text.
    pub fn drain(&self, mut each: impl FnMut(&str, &str)) {
        while let Some(event) = self.0.poll(Duration::ZERO) {
            let (mut facility, mut text, mut level) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the event is ours until it is dropped, and the texts belong to it.
            unsafe {
                if rd_kafka_event_log(event.0.as_ptr(), &raw mut facility, &raw mut text, &raw mut level) == 0 {
                    let (facility, text) = (CStr::from_ptr(facility), CStr::from_ptr(text));
                    each(facility.to_string_lossy().trim(), text.to_string_lossy().trim());
                }
            }
        }
    }
}

struct OwnQueue(NonNull<rd_kafka_queue_t>);

// SAFETY: librdkafka's queues are made for use from any thread.
unsafe impl Send for OwnQueue {}

impl OwnQueue {
    fn new(client: *mut rd_kafka_t) -> Result<OwnQueue> {
        // SAFETY: the client lives.
        let queue = unsafe { rd_kafka_queue_new(client) };
        Ok(OwnQueue(NonNull::new(queue).context("librdkafka gave no queue")?))
    }

    fn poll(&self, wait: Duration) -> Option<Event> {
        let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue lives; the event that comes back is ours, or null.
        NonNull::new(unsafe { rd_kafka_queue_poll(self.0.as_ptr(), wait) }).map(Event)
    }
}

impl Drop for OwnQueue {
    fn drop(&mut self) {
        // SAFETY: the queue is ours.
        unsafe { rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

struct Event(NonNull<rd_kafka_event_t>);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event is ours.
        unsafe { rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}
