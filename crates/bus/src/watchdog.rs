//! The watchdog: what stands still is told of, then ends the process.

use std::time::{Duration, Instant};

use crate::tasks::{Beat, Tasks};

/// A loop that has not gone round for so long makes the process unready: others take its requests,
/// and somebody may look at it before it ends.
pub const LATE_AFTER: Duration = Duration::from_secs(30);
/// A loop that has not gone round for so long ends the process: another start is better than a
/// server that looks alive (reliability rule R15).
pub const STUCK_AFTER: Duration = Duration::from_mins(1);
/// How often the watchdog looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A look that is late by less than this is late because the machine is busy.
const OVERSLEPT_MIN: Duration = Duration::from_secs(1);

/// What has not gone round for too long, the slowest first.
pub fn late(beats: Vec<Beat>, after: Duration) -> Vec<Beat> {
    let mut late: Vec<Beat> = beats.into_iter().filter(|beat| beat.age > after).collect();
    late.sort_by_key(|beat| std::cmp::Reverse(beat.age));
    late
}

/// What the watchdog knows of itself: whether it has lately been able to look at all.
///
/// A process that is stopped (`docker pause`, a frozen cgroup, a debugger, a machine that is moved)
/// stands still as a whole, watchdog included. Ages grow meanwhile and tell nothing of its loops, so
/// they get as long again as they may take before they are judged.
#[derive(Debug, Clone, Copy)]
struct Watch {
    every: Duration,
    stuck: Duration,
    /// How much longer nothing is judged.
    rests: Duration,
}

impl Watch {
    /// Whether ages may be judged now, where `slept` is how long it really was since the last look.
    fn may_judge(&mut self, slept: Duration) -> bool {
        if slept > self.every.saturating_mul(2).saturating_add(OVERSLEPT_MIN) {
            self.rests = self.stuck;
            return false;
        }
        self.rests = self.rests.saturating_sub(slept);
        self.rests.is_zero()
    }
}

impl Tasks {
    /// Starts the watchdog. `end` is called with what stands still; it ends the process. It runs on
    /// a thread of its own: a runtime whose every worker is blocked runs no task that could tell.
    pub fn watch<F>(&self, end: F) -> std::io::Result<()>
    where
        F: Fn(&Beat) + Send + 'static,
    {
        self.watch_with((LOOK_EVERY, STUCK_AFTER), end)
    }

    fn watch_with<F>(&self, (every, stuck): (Duration, Duration), end: F) -> std::io::Result<()>
    where
        F: Fn(&Beat) + Send + 'static,
    {
        let tasks = self.clone();
        let mut watch = Watch { every, stuck, rests: Duration::ZERO };
        let watch = move || {
            while !tasks.shutdown().is_cancelled() {
                let began = Instant::now();
                std::thread::sleep(every);
                if !watch.may_judge(began.elapsed()) {
                    continue;
                }
                if let Some(beat) = late(tasks.beats(), stuck).first() {
                    tracing::error!(
                        task = beat.name,
                        waits_for = beat.waits_for,
                        seconds = beat.age.as_secs(),
                        "a loop stands still; the process ends"
                    );
                    end(beat);
                }
            }
        };
        std::thread::Builder::new().name("tidings-watchdog".to_owned()).spawn(watch).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn beat(name: &'static str, seconds: u64) -> Beat {
        let age = Duration::from_secs(seconds);
        Beat { name, age, waits_for: "work", rounds: 1, restarts: 0, panics: 0 }
    }

    #[test]
    fn what_is_late_is_told_slowest_first() {
        let beats = vec![beat("quick", 1), beat("slow", 31), beat("slower", 59)];
        let names: Vec<_> = late(beats.clone(), LATE_AFTER).iter().map(|beat| beat.name).collect();
        assert_eq!(names, ["slower", "slow"]);
        assert!(late(beats, STUCK_AFTER).is_empty());
    }

    #[test]
    fn a_process_that_stood_still_as_a_whole_gets_its_minute_again() {
        let seconds = Duration::from_secs;
        let mut watch = Watch { every: LOOK_EVERY, stuck: STUCK_AFTER, rests: Duration::ZERO };
        for slept in [5, 5, 6, 11] {
            assert!(watch.may_judge(seconds(slept)), "{slept}");
        }
        assert!(!watch.may_judge(seconds(65)), "it was stopped");
        for look in 1..12 {
            assert!(!watch.may_judge(seconds(5)), "look {look}");
        }
        assert!(
            watch.may_judge(seconds(5)),
            "a minute has passed: whatever is late now stands still"
        );
        // Stopped again and again: each time anew.
        assert!(!watch.may_judge(seconds(12)));
        assert!(!watch.may_judge(seconds(10)));
        assert!(!watch.may_judge(seconds(3_600)));
        for _ in 1..12 {
            assert!(!watch.may_judge(seconds(5)));
        }
        assert!(watch.may_judge(seconds(5)));
    }

    /// Both worker threads are blocked: no task of this runtime could tell of it.
    #[test]
    fn a_loop_that_stands_still_is_told_of_though_the_runtime_is_blocked() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let tasks = Tasks::default();
        let (release, held) = mpsc::channel::<()>();
        let held = std::sync::Arc::new(std::sync::Mutex::new(held));
        let (tell, told) = mpsc::channel();
        runtime.block_on(async {
            tasks.supervise("blocked", move |pulse| {
                let held = std::sync::Arc::clone(&held);
                async move {
                    pulse.beat();
                    pulse.waits_for("somebody who never comes");
                    let _ = held.lock().unwrap().recv();
                }
            });
        });
        let limits = (Duration::from_millis(1), Duration::from_millis(20));
        tasks.watch_with(limits, move |beat| drop(tell.send(beat.clone()))).unwrap();
        let beat = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!((beat.name, beat.waits_for), ("blocked", "somebody who never comes"));
        assert!(beat.age > Duration::from_millis(20));
        release.send(()).unwrap();
        tasks.shutdown().cancel();
    }

    #[test]
    fn a_thread_that_is_no_loop_is_watched_too() {
        let tasks = Tasks::default();
        let (tell, told) = mpsc::channel();
        tasks.watch_also("writer", || Some(("a flush", Duration::from_secs(61))));
        tasks.watch_also("rests", || None);
        let limits = (Duration::from_millis(1), STUCK_AFTER);
        tasks.watch_with(limits, move |beat| drop(tell.send(beat.clone()))).unwrap();
        let beat = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!((beat.name, beat.waits_for), ("writer", "a flush"));
        tasks.shutdown().cancel();
    }

    #[test]
    fn a_loop_that_panics_is_started_again_and_counted() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let tasks = Tasks::default();
        let rounds = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        runtime.block_on(async {
            let (tell, mut told) = tokio::sync::mpsc::channel(1);
            tasks.supervise("fragile", move |_| {
                let round = rounds.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let tell = tell.clone();
                async move {
                    assert!(round > 0, "the first round is meant to fail");
                    tell.send(()).await.unwrap();
                    std::future::pending::<()>().await;
                }
            });
            told.recv().await.unwrap();
            let beats = tasks.beats();
            assert_eq!((beats[0].restarts, beats[0].panics), (1, 1));
            tasks.end().await;
        });
    }
}
