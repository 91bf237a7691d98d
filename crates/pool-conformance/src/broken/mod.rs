//! Executors that break one rule each: what the kit must catch.
