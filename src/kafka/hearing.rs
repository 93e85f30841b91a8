//! What the client library tells beside its answers: why a broker would not speak with us.

use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

/// Remembers the first refusal.
#[derive(Debug, Default)]
pub(super) struct Hearing(Mutex<Option<Refusal>>);

/// Why TLS or the user was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) is_tls: bool,
    pub(super) reason: String,
}

impl Hearing {
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Hearing {
    fn error(&self, error: KafkaError, reason: &str) {
        let is_tls = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::SSL) => true,
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed) => false,
            _ => return,
        };
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| Refusal { is_tls, reason: essence(reason).to_owned() });
    }
}

impl ConsumerContext for Hearing {}

/// Without the address before it and the times behind it: `Invalid username or password`.
fn essence(reason: &str) -> &str {
    let reason = reason.split_once("/bootstrap: ").map_or(reason, |(_, reason)| reason);
    reason.rsplit_once(" (after ").map_or(reason, |(reason, _)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refusal_is_kept_without_what_says_nothing() {
        let hearing = Hearing::default();
        let told = |code, reason| hearing.error(KafkaError::Global(code), reason);
        told(RDKafkaErrorCode::BrokerTransportFailure, "away");
        assert_eq!(hearing.refusal(), None);
        told(
            RDKafkaErrorCode::Authentication,
            "sasl_ssl://h:1/bootstrap: SASL authentication error: Authentication failed (after 5ms in state AUTH_REQ)",
        );
        told(RDKafkaErrorCode::SSL, "later");
        let reason = "SASL authentication error: Authentication failed".to_owned();
        assert_eq!(hearing.refusal(), Some(Refusal { is_tls: false, reason }));
    }
}
