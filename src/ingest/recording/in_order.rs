//! Work that goes to several threads and comes back in order.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::error::{Error, ErrorKind, Result};

/// How many jobs wait for each thread at most, or have been done and wait to be taken.
const WAITING: usize = 2;

/// Gives each job that `next` has to one of the threads, at most one for each core, each of which keeps what it knows in a `K`; `take`
/// gets the answers in the order of the jobs, with the number of the thread, and may break off. An error of `next` comes after the
/// answers to the jobs before it. One job alone is done by this thread.
pub(super) fn in_order<J: Send, A: Send, K: Default>(
    mut next: impl FnMut() -> Result<Option<J>>,
    work: impl Fn(&mut K, J) -> A + Sync,
    mut take: impl FnMut(usize, A) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let Some(first) = next()? else { return Ok(()) };
    let second = match next() {
        Ok(Some(second)) => second,
        ended => {
            let flow = take(0, work(&mut K::default(), first))?;
            return if flow.is_break() { Ok(()) } else { ended.map(drop) };
        }
    };
    let mut jobs = [first, second].into_iter();
    let mut next = || jobs.next().map_or_else(&mut next, |job| Ok(Some(job)));
    let most = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let start = || {
            let (give, jobs) = sync_channel::<J>(WAITING);
            let (done, answers) = sync_channel(WAITING);
            let work = &work;
            let run = move || {
                let mut known = K::default();
                // Nobody takes the answers once one broke off.
                while let Ok(job) = jobs.recv() {
                    if done.send(work(&mut known, job)).is_err() {
                        return;
                    }
                }
            };
            thread::Builder::new().spawn_scoped(scope, run).map(|_| (give, answers))
        };
        // No more are started than there are jobs, and where the system refuses one, those that there are do.
        let mut lanes: Vec<(SyncSender<J>, Receiver<A>)> = Vec::new();
        let (mut threads, mut given, mut taken, mut ended) = (most, 0, 0, None);
        loop {
            while ended.is_none() && given - taken < WAITING * threads {
                if given == lanes.len() && given < threads {
                    match start() {
                        Ok(lane) => lanes.push(lane),
                        Err(error) if lanes.is_empty() => {
                            return Err(Error::new(ErrorKind::Io, format!("no thread can be started: {error}")));
                        }
                        Err(_) => threads = lanes.len(),
                    }
                    continue;
                }
                match next() {
                    Ok(None) => ended = Some(Ok(())),
                    Err(error) => ended = Some(Err(error)),
                    // That a job cannot be given says that the thread panicked; so does the scope, once all have ended.
                    Ok(Some(job)) => match lanes[given % threads].0.send(job) {
                        Ok(()) => given += 1,
                        Err(_) => ended = Some(Ok(())),
                    },
                }
            }
            if taken == given {
                return ended.unwrap_or(Ok(()));
            }
            let thread = taken % threads;
            let Ok(answer) = lanes[thread].1.recv() else { return Ok(()) };
            taken += 1;
            if take(thread, answer)?.is_break() {
                return Ok(());
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn answers_come_in_the_order_of_the_jobs_until_one_breaks_off(count in 0..40u64, last in 0..50u64) {
            let (mut jobs, mut taken, mut done) = (0..count, Vec::new(), Vec::new());
            // Those of even numbers take longer.
            let work = |known: &mut u64, job: u64| {
                *known += 1;
                thread::sleep(std::time::Duration::from_micros(200 * (1 - job % 2)));
                (job, *known)
            };
            in_order(|| Ok(jobs.next()), work, |thread, (job, known)| {
                done.resize(done.len().max(thread + 1), 0);
                done[thread] += 1;
                assert_eq!(known, done[thread], "what a thread knows is its own");
                taken.push(job);
                Ok(if job == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            }).unwrap();
            prop_assert_eq!(taken, (0..count.min(last + 1)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_on_either_side_ends_it() {
        let error = || Error::new(ErrorKind::Data, "enough");
        for count in [0, 1, 2, 9] {
            let (mut jobs, mut taken) = (0..count, Vec::new());
            let source = in_order(
                || jobs.next().map_or_else(|| Err(error()), |job| Ok(Some(job))),
                |(), job| job,
                |_, job| {
                    taken.push(job);
                    Ok(ControlFlow::Continue(()))
                },
            );
            assert_eq!((source, taken), (Err(error()), (0..count).collect()));
        }
        let sink = in_order(|| Ok(Some(1)), |(), job| job, |_, _| Err(error()));
        assert_eq!(sink, Err(error()));
    }
}
