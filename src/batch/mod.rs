//! Part 3: from Kafka to one CSV, and the statistics of what was collected, by DataFrame and by SQL.
