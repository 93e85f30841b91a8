//! Brokers that do not answer: what the library mends by itself is waited for, and the rest ends the reading.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::Consumer;
use crate::error::Result;

/// How often brokers that are away are asked whether they are back.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Brokers that do not answer: since when, and when they were last asked.
pub(super) struct Away {
    since: Instant,
    asked: Instant,
}

impl Consumer {
    /// What the library mends by itself is borne for a while; everything else ends the reading.
    pub(super) fn bear(&mut self, error: &KafkaError) -> Result<()> {
        use RDKafkaErrorCode::{
            AllBrokersDown, Authentication, BrokerTransportFailure, OperationTimedOut, PollExceeded, Resolve, SSL,
            UnknownTopicOrPartition,
        };
        match error.rdkafka_error_code() {
            // A broker that is shutting down or starting refuses users and breaks TLS off too.
            Some(AllBrokersDown | Authentication | BrokerTransportFailure | OperationTimedOut | Resolve | SSL) => {
                let now = Instant::now();
                self.away.get_or_insert(Away { since: now, asked: now });
                Ok(())
            }
            // Whoever has not asked for long is out of the group, and asks again now: it is let in again.
            Some(PollExceeded) => Ok(()),
            Some(UnknownTopicOrPartition) => Err(self.error("the topic is not there any more".to_owned())),
            _ => Err(self.error(format!("it could not be read: {error}"))),
        }
    }

    /// Asks brokers that are away now and then; an error if they have been for too long.
    pub(super) fn check_away(&mut self) -> Result<()> {
        let Some(away) = &mut self.away else { return Ok(()) };
        let wait = ASK_AGAIN.min(self.patience);
        if away.asked.elapsed() < wait {
            return Ok(());
        }
        let answer = self.client.fetch_metadata(Some(&self.topic), wait.max(Duration::from_millis(100)));
        away.asked = Instant::now();
        match answer {
            Ok(_) => self.away = None,
            Err(error) if away.since.elapsed() >= self.patience => {
                return Err(self
                    .broker
                    .failed("the broker has gone away", &error)
                    .way_out("start again when it is back: what was acknowledged is not read twice"));
            }
            Err(_) => {}
        }
        Ok(())
    }
}
