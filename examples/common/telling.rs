//! What a publisher tells while it is at work.

use std::time::Duration;

use velib::ingest::{Clock as _, SystemClock};
use velib::kafka::{GapLedger, PollReport, PublishEvent, TopicReport};
use velib::{Error, Result};

use super::{Progress, log};

/// Tells what happens, each trouble once, and enters it in the ledger.
pub struct Teller {
    topic: TopicReport,
    /// Of a live feed.
    gaps: Option<GapLedger>,
    is_counted: bool,
    polls: Vec<PollReport>,
    is_warned: bool,
    /// Why the last poll failed, and how many polls have failed for that reason without a word.
    failure: Option<String>,
    untold: u64,
    ledger_error: Option<Error>,
    progress: Progress,
}

impl Teller {
    /// Of a live feed with the ledger of its gaps; without one of a replay, which needs one line that changes. The reports are
    /// kept if they are to be `counted`.
    pub fn new(topic: TopicReport, gaps: Option<GapLedger>, is_counted: bool) -> Self {
        let (polls, failure, ledger_error, progress) = (Vec::new(), None, None, Progress::new());
        Self { topic, gaps, is_counted, polls, is_warned: false, failure, untold: 0, ledger_error, progress }
    }

    /// The reports that were counted; an error if the ledger could not be written.
    pub fn end(self) -> Result<Vec<PollReport>> {
        self.ledger_error.map_or(Ok(self.polls), Err)
    }

    pub fn tell(&mut self, event: &PublishEvent<'_>) {
        match event {
            PublishEvent::Poll(poll) => self.poll(poll),
            PublishEvent::Failed { error, .. } => {
                let reason = error.to_string();
                if self.failure.as_ref() == Some(&reason) {
                    self.untold += 1;
                } else {
                    log::error(format_args!("poll failed: {reason}"));
                    self.failure = Some(reason);
                }
            }
            PublishEvent::BrokerAway { waiting } => {
                log::warn(format_args!("the broker is away: {waiting} messages wait for it"));
            }
            PublishEvent::BrokerBack { away } => {
                log::note(format_args!(
                    "the broker is back after {}",
                    super::in_words(Duration::from_secs(away.as_secs()))
                ));
            }
            PublishEvent::Foreign { messages } => {
                log::warn(format_args!(
                    "another process publishes to this topic ({messages} messages): end one of the two"
                ));
            }
            _ => {}
        }
        let Some(gaps) = &mut self.gaps else { return };
        match (gaps.note(event), &self.ledger_error) {
            (Err(error), None) => {
                log::warn(&error);
                self.ledger_error = Some(error);
            }
            (Err(_), Some(_)) => {}
            (Ok(()), _) => self.ledger_error = None,
        }
    }

    fn poll(&mut self, poll: &PollReport) {
        let warning = poll.oldest.filter(|_| !self.is_warned);
        if let Some(warning) = warning.and_then(|oldest| self.topic.warning(oldest, SystemClock.now())) {
            log::warn(warning);
            self.is_warned = true;
        }
        if self.is_counted {
            self.polls.push(poll.clone());
        }
        if self.gaps.is_none() {
            return self.progress.show(|| format!("{}: {}", poll.fetched_at, in_a_line(poll)));
        }
        if self.failure.take().is_some() && self.untold > 0 {
            log::note(format_args!(
                "the feed is back after {} more polls that failed",
                std::mem::take(&mut self.untold)
            ));
        }
        log::note(format_args!(
            "{}: {}{}",
            poll.fetched_at.format("%Y-%m-%d %H:%M:%S"),
            in_a_line(poll),
            of_the_feed(poll)
        ));
        if poll.dead_letters > 0 {
            super::report_set_aside(&poll.set_aside);
        }
    }
}

fn in_a_line(poll: &PollReport) -> String {
    let counted = poll.counted.map_or_else(|| "an unknown number".to_owned(), |counted| counted.to_string());
    format!(
        "{counted} stations counted, {} arrived, {} readings new, {} repeated, {} set aside",
        poll.distinct,
        poll.new,
        poll.repeated,
        poll.set_aside.len()
    )
}

/// What a poll says of the feed itself.
fn of_the_feed(poll: &PollReport) -> String {
    let Some(lag) = poll.lag else { return String::new() };
    format!(
        "; lag {} (worst {}), {} silent, {} missing",
        super::seconds(lag.median.num_seconds()),
        super::seconds(lag.worst.num_seconds()),
        poll.silent.len(),
        poll.missing.len()
    )
}
