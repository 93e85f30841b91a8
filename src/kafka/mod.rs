//! Part 1: from a source to Kafka and back.
