//! Durable jobs, schedules, reactions and the sequencer.
