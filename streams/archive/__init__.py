"""The archive: closed segments of the topics as Parquet, for the years after Kafka has forgotten them."""
