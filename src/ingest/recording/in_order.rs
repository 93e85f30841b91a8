//! Work that goes to several threads and comes back in order.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::error::Result;

/// How many jobs wait for each thread at most, or have been done and wait to be taken.
const WAITING: usize = 2;

/// Gives each job that `next` has to one of the threads, one for each core, each of which keeps what it knows in a `K`; `take` gets
/// the answers in the order of the jobs, with the number of the thread, and may break off. One job alone is done by this thread.
pub(super) fn in_order<J: Send, A: Send, K: Default>(
    mut next: impl FnMut() -> Result<Option<J>>,
    work: impl Fn(&mut K, J) -> A + Sync,
    mut take: impl FnMut(usize, A) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let Some(first) = next()? else { return Ok(()) };
    let Some(second) = next()? else {
        return take(0, work(&mut K::default(), first)).map(drop);
    };
    let mut jobs = [first, second].into_iter();
    let mut next = || jobs.next().map_or_else(&mut next, |job| Ok(Some(job)));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let lane = |_| {
            let (give, jobs) = sync_channel::<J>(WAITING);
            let (done, answers) = sync_channel(WAITING);
            let work = &work;
            scope.spawn(move || {
                let mut known = K::default();
                // Nobody takes the answers once one broke off.
                while let Ok(job) = jobs.recv() {
                    if done.send(work(&mut known, job)).is_err() {
                        return;
                    }
                }
            });
            (give, answers)
        };
        let lanes: Vec<(SyncSender<J>, Receiver<A>)> = (0..threads).map(lane).collect();
        let (mut given, mut taken, mut ended) = (0, 0, false);
        loop {
            while !ended && given - taken < WAITING * threads {
                // That a job cannot be given says that the thread panicked; so does the scope, once all have ended.
                let is_given = next()?.is_some_and(|job| lanes[given % threads].0.send(job).is_ok());
                given += usize::from(is_given);
                ended = !is_given;
            }
            if taken == given {
                return Ok(());
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
    use crate::error::{Error, ErrorKind};
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
        let mut jobs = 0..;
        let source = in_order(
            || jobs.next().filter(|&job| job < 9).map_or_else(|| Err(error()), |job| Ok(Some(job))),
            |(), job| job,
            |_, _| Ok(ControlFlow::Continue(())),
        );
        assert_eq!(source, Err(error()));
        let sink = in_order(|| Ok(Some(1)), |(), job| job, |_, _| Err(error()));
        assert_eq!(sink, Err(error()));
    }
}
