//! Time: the system's, or the simulation's, which passes as a seed says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A monotonic clock.
pub trait Clock: Send + Sync {
    /// Now. It never goes back.
    fn now(&self) -> Instant;

    /// Lets this much time pass.
    fn sleep(&self, time: Duration);
}

/// The moment that epochs are counted from, by the clock of this machine. All workers share it, so that they close epochs at
/// the same moments; where they are on several machines, these follow the clock of one.
#[derive(Clone, Debug)]
pub struct Origin(Arc<Mutex<Instant>>);

impl Origin {
    /// This moment.
    pub fn new(moment: Instant) -> Origin {
        Origin(Arc::new(Mutex::new(moment)))
    }

    /// How long ago it was.
    pub fn elapsed(&self, now: Instant) -> Duration {
        now - *self.0.lock()
    }

    /// Sets it to this long ago, by the clock that is followed.
    pub fn follow(&self, age: Duration, now: Instant) {
        if let Some(moment) = now.checked_sub(age) {
            *self.0.lock() = moment;
        }
    }
}

/// The system's.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
