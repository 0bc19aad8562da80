//! The Kafka journal: topics of Kafka or Redpanda.
